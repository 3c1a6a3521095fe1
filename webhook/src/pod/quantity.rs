//! Kubernetes' quantities: `100m`, `1.5`, `64Mi`, `1e3`.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a quantity amounts to, exactly, so that amounts can be compared: `1500m` and `1.5` are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount {
    /// Kubernetes knows no smaller fraction, and rounds up to this one.
    nano: i128,
}

/// Not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAQuantity;

const NANO_DIGITS: i64 = 9;
/// Kubernetes caps what is larger.
const LARGEST: i128 = i64::MAX as i128 * 1_000_000_000;

/// The amount of a quantity that the API server has accepted; zero if it has not.
pub(crate) fn amount(quantity: &Quantity) -> Amount {
    quantity.0.trim().parse().unwrap_or_default()
}

/// Reads a quantity that a person wrote for a resource, which cannot be negative.
pub(crate) fn quantity(text: &str) -> Result<Quantity, String> {
    match text.parse::<Amount>() {
        Ok(amount) if amount >= Amount::default() => Ok(Quantity(text.to_owned())),
        _ => Err(format!("{text:?} is not a quantity, such as 100m or 64Mi")),
    }
}

impl FromStr for Amount {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        let scale = Scale::of(suffix).ok_or(NotAQuantity)?;
        // Also where there are no digits, a second point, or more digits than an amount can have.
        let digits = digits.parse::<i128>().map_err(|_| NotAQuantity)?;
        let point = i64::try_from(fraction.len()).map_err(|_| NotAQuantity)?;
        let nano = scaled(digits, scale, NANO_DIGITS - point);
        Ok(Self {
            nano: if text.starts_with('-') { -nano } else { nano },
        })
    }
}

/// What a suffix multiplies by.
#[derive(Clone, Copy, Debug)]
enum Scale {
    /// A power of ten.
    Decimal(i64),
    /// A power of 1024.
    Binary(u32),
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "" => Self::Decimal(0),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(1),
            "Mi" => Self::Binary(2),
            "Gi" => Self::Binary(3),
            "Ti" => Self::Binary(4),
            "Pi" => Self::Binary(5),
            "Ei" => Self::Binary(6),
            exponent => {
                let power = exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
                Self::Decimal(power.into())
            }
        })
    }
}

/// `digits` times the scale times ten to the power of `shift`, rounded up, and capped.
fn scaled(digits: i128, scale: Scale, shift: i64) -> i128 {
    let (binary, decimal) = match scale {
        Scale::Decimal(power) => (0, power + shift),
        Scale::Binary(power) => (power, shift),
    };
    let power_of_ten = u32::try_from(decimal.unsigned_abs())
        .ok()
        .and_then(|power| 10_i128.checked_pow(power));
    let multiplied = digits.checked_mul(1024_i128.pow(binary));
    let amount = if decimal < 0 {
        multiplied.map(|amount| match power_of_ten {
            Some(divisor) => amount / divisor + i128::from(amount % divisor > 0),
            None => i128::from(amount > 0),
        })
    } else {
        multiplied.and_then(|amount| match power_of_ten {
            Some(factor) => amount.checked_mul(factor),
            None if amount == 0 => Some(0),
            None => None,
        })
    };
    amount.unwrap_or(LARGEST).min(LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nano(text: &str) -> Option<i128> {
        text.parse().ok().map(|amount: Amount| amount.nano)
    }

    #[test]
    fn every_form_of_the_documentation() {
        const ONE: i128 = 1_000_000_000;
        for (text, expected) in [
            // signedNumber
            ("0", 0),
            ("1", ONE),
            ("+1", ONE),
            ("-1", -ONE),
            ("1.5", ONE * 3 / 2),
            ("1.", ONE),
            (".5", ONE / 2),
            // decimalSI
            ("1n", 1),
            ("1u", 1000),
            ("100m", ONE / 10),
            ("2k", 2000 * ONE),
            ("3M", 3_000_000 * ONE),
            ("1G", 1_000_000_000 * ONE),
            ("1T", 1_000_000_000_000 * ONE),
            ("1P", 1_000_000_000_000_000 * ONE),
            ("1E", 1_000_000_000_000_000_000 * ONE),
            // binarySI
            ("1Ki", 1024 * ONE),
            ("64Mi", 64 * 1024 * 1024 * ONE),
            ("0.5Gi", 512 * 1024 * 1024 * ONE),
            ("1Ti", (1 << 40) * ONE),
            ("1Pi", (1 << 50) * ONE),
            ("1Ei", (1 << 60) * ONE),
            // decimalExponent
            ("1e3", 1000 * ONE),
            ("1E3", 1000 * ONE),
            ("12.5e+1", 125 * ONE),
            ("1e-3", ONE / 1000),
        ] {
            assert_eq!(nano(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_too_small_is_rounded_up_and_what_is_too_large_is_capped() {
        for (text, expected) in [
            ("0.1n", 1),
            ("1.1n", 2),
            ("1e-100", 1),
            ("0e-100", 0),
            ("0e100", 0),
            ("8Ei", LARGEST),
            ("1e100", LARGEST),
            ("-1e100", -LARGEST),
        ] {
            assert_eq!(nano(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_quantity() {
        for text in [
            "", "m", "Ki", ".", "+", "--1", "+-1", "1 Mi", " 1", "1.2.3", "1Mb", "1MB", "1K",
            "1mi", "1e", "1e1.5", "1ee3", "0x10", "١",
        ] {
            assert_eq!(nano(text), None, "{text}");
        }
        assert_eq!(nano(&"9".repeat(100)), None);
    }

    #[test]
    fn a_resource_is_not_negative() {
        assert_eq!(quantity("1e3").unwrap().0, "1e3");
        assert_eq!(
            quantity("-1").unwrap_err(),
            "\"-1\" is not a quantity, such as 100m or 64Mi"
        );
    }
}
