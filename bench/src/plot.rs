//! Plots of lines, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;

/// A line from point to point.
pub(crate) struct Line {
    /// An SVG color.
    pub(crate) color: &'static str,
    /// For targets and limits.
    pub(crate) dashed: bool,
    /// `(x, y)` in the plot's units.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot from zero to `most` in both directions. `marks` are written at the vertical axis; the caption explains the colors.
pub(crate) fn svg(most: (f64, f64), marks: &[f64], caption: &str, lines: &[Line]) -> String {
    let x = |value: f64| value / most.0 * WIDTH;
    let y = |value: f64| HEIGHT - value / most.1 * HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-60 -20 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect x=\"-60\" y=\"-20\" width=\"{}\" height=\"{}\" fill=\"white\"/>\n",
        WIDTH + 80.0,
        HEIGHT + 60.0,
        WIDTH + 80.0,
        HEIGHT + 60.0
    );
    for Line {
        color,
        dashed,
        points,
    } in lines
    {
        let dashes = if *dashed {
            " stroke-dasharray=\"4\""
        } else {
            ""
        };
        let points: Vec<_> = points
            .iter()
            .map(|(across, up)| format!("{:.0},{:.0}", x(*across), y(*up)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{color}\"{dashes} points=\"{}\"/>",
            points.join(" ")
        );
    }
    for mark in marks {
        let _ = writeln!(
            svg,
            "<text x=\"-5\" y=\"{:.0}\" text-anchor=\"end\">{mark}</text>",
            y(*mark)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"0\" y=\"{}\">{caption}</text>\n</svg>",
        HEIGHT + 25.0
    );
    svg
}

/// A count as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "a pixel is coarser")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}
