//! Renders templates within bounds, and says why one cannot be rendered.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use minijinja::value::{Object, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use zeroize::Zeroizing;

use super::code::{self, Mentioned, Refused};
use super::files::Files;
use super::filters::{self, FilterError};
use super::{FILES, LONGEST, STEPS};

/// Why a template cannot be rendered; never with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", .line.map(|line| format!(" (line {line} of the template)")).unwrap_or_default())]
pub struct Failure {
    /// What is wrong and what to do.
    pub reason: String,
    /// The line, from 1.
    pub line: Option<usize>,
}

/// The only variable of a template.
struct Variables(Value);

/// Without contents.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some(FILES)).then(|| self.0.clone())
    }
}

/// Checks a template before any value is known, with [examples](Files::examples), and returns the files that it mentions.
/// `templates` is the number of them in the class.
pub(crate) fn check<'a>(
    template: &'a str,
    templates: usize,
    examples: &Arc<Files>,
) -> Result<Vec<Mentioned<'a>>, Failure> {
    let mentioned = code::read(template)?;
    let environment = environment(templates);
    let parsed = environment.template_from_str(template);
    let parsed = parsed.map_err(|error| {
        let kind = error.kind().to_string();
        let reason = error.detail().unwrap_or(&kind);
        Failure::at(&error, format!("is not a template: {reason}"))
    })?;
    let mut unknown: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
    unknown.retain(|name| name != FILES);
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        return Err(Failure {
            reason: format!(
                "has the unknown name {name:?}: the only variable is files, as in files[\"name\"]"
            ),
            line: None,
        });
    }
    let mut output = Bounded(Zeroizing::new(Vec::new()));
    let variables = Variables(Value::from_dyn_object(Arc::clone(examples)));
    let rendered = parsed.render_captured_to(Value::from_object(variables), &mut output);
    match rendered.err() {
        // Others may be due to the examples.
        Some(error) if is_final(&error) => Err(failure(&error, None)),
        _ => Ok(mentioned),
    }
}

/// Renders a template with the files of its class.
pub(crate) fn render(
    template: &str,
    templates: usize,
    files: &Arc<Files>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mentioned = code::read(template)?;
    let environment = environment(templates);
    let parsed = environment.template_from_str(template);
    let parsed = parsed.map_err(|error| failure(&error, None))?;
    let mut output = Bounded(Zeroizing::new(Vec::new()));
    let variables = Variables(Value::from_dyn_object(Arc::clone(files)));
    let rendered = parsed.render_captured_to(Value::from_object(variables), &mut output);
    let Some(error) = rendered.err() else {
        return Ok(output.0);
    };
    // A computed name may be a value.
    let missing = files.missing().filter(|missing| {
        let mut names = mentioned.iter().map(|mentioned| mentioned.name);
        names.any(|name| name == missing)
    });
    Err(failure(&error, missing))
}

fn environment<'a>(templates: usize) -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let templates = u64::try_from(templates).unwrap_or(u64::MAX).max(1);
    environment.set_fuel(Some(STEPS / templates));
    environment.set_formatter(|output, state, value| {
        if value.kind() == ValueKind::Bytes {
            let error = FilterError("a file is not UTF-8 text: use b64encode".to_owned());
            return Err(
                Error::new(ErrorKind::InvalidOperation, error.to_string()).with_source(error)
            );
        }
        minijinja::escape_formatter(output, state, value)
    });
    filters::add(&mut environment);
    environment
}

/// Would the template fail alike with all values?
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::OutOfFuel
            | ErrorKind::WriteFailure
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    )
}

/// minijinja's own details may quote values, so only those of names are shown.
fn failure(error: &Error, missing: Option<String>) -> Failure {
    let source = std::error::Error::source(error);
    let own = source.and_then(|source| source.downcast_ref::<FilterError>());
    let reason = match (error.kind(), own, missing) {
        (_, Some(own), _) => own.to_string(),
        (ErrorKind::OutOfFuel, ..) => "takes too many steps: use fewer or shorter loops".to_owned(),
        (ErrorKind::WriteFailure, ..) => {
            format!("makes more than {LONGEST} bytes: make it shorter")
        }
        (ErrorKind::UndefinedError, _, Some(name)) => format!(
            "needs the file {name:?}, which does not exist: correct the name, or test it with {{% if {name:?} in files %}}"
        ),
        (ErrorKind::UndefinedError, ..) => {
            "needs a file that does not exist, by a computed name".to_owned()
        }
        (
            kind @ (ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod),
            ..,
        ) => format!("has an {kind}: {}", error.detail().unwrap_or_default()),
        (kind, ..) => format!("fails: {kind}"),
    };
    Failure::at(error, reason)
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self {
            reason: refused.reason,
            line: Some(refused.line),
        }
    }
}

impl Failure {
    fn at(error: &Error, reason: String) -> Self {
        Self {
            reason,
            line: error.line(),
        }
    }
}

/// Output up to [`LONGEST`] bytes.
struct Bounded(Zeroizing<Vec<u8>>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &[u8]); 4] = [
        ("bytes", b"\xff\x00"),
        ("password", b"p@ss/w:rd 'x'"),
        ("user", b"app"),
        ("x", b"{\"a\": 1}"),
    ];

    fn rendered(template: &str) -> Result<String, String> {
        let files = Arc::new(Files::of(FILES.into_iter()));
        let rendered = render(template, 1, &files);
        let rendered = rendered.map_err(|failure| failure.to_string())?;
        Ok(String::from_utf8(rendered.to_vec()).unwrap())
    }

    fn checked(template: &str) -> Result<(), String> {
        let names = FILES.into_iter().map(|(name, _)| name);
        let checked = check(template, 1, &Arc::new(Files::examples(names)));
        checked.map(drop).map_err(|failure| failure.to_string())
    }

    #[test]
    fn files_become_documents() {
        for (template, text) in [
            (
                "postgres://{{ files[\"user\"]|urlencode }}:{{ files['password']|urlencode }}@db/shop",
                "postgres://app:p%40ss%2Fw%3Ard%20%27x%27@db/shop",
            ),
            (
                "{% for name in files %}{% if name != \"bytes\" %}{{ name|upper }}={{ files[name]|shell }}\n{% endif %}{% endfor %}",
                "PASSWORD='p@ss/w:rd '\\''x'\\'''\nUSER='app'\nX='{\"a\": 1}'\n",
            ),
            (
                "{\"user\": {{ files.user|tojson }}, \"is\": {{ true|tojson }}}",
                "{\"user\": \"app\", \"is\": true}",
            ),
            (
                "{% for n in [\"user\", \"x\"] -%}{{ n }}={{ files[n] }};{% endfor %}",
                "user=app;x={\"a\": 1};",
            ),
            (
                "{{ files[\"bytes\"]|b64encode }} {{ \"aGk=\"|b64decode }}",
                "/wA= hi",
            ),
            ("{% if \"none\" in files %}yes{% else %}no{% endif %}", "no"),
            (
                "p={{ files[\"password\"]|properties }}",
                "p=p@ss/w\\:rd\\ 'x'",
            ),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(text), "{template}");
            assert_eq!(checked(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn what_fails_at_fetch_shows_no_value() {
        for (template, words) in [
            (
                "\n{{ files[\"none\"] }}",
                "needs the file \"none\", which does not exist",
            ),
            (
                "\n{{ files.none|urlencode }}",
                "needs the file \"none\", which does not exist",
            ),
            ("\n{{ files.none|tojson }}", "needs the file \"none\""),
            ("\n{{ files.none|b64encode }}", "needs the file \"none\""),
            (
                "\n{{ files.user|replace(\"a\", files.none) }}",
                "needs the file \"none\"",
            ),
            ("\n{{ files.none ~ \"a\" }}", "needs the file \"none\""),
            (
                "\n{% if files.none %}{% endif %}",
                "needs the file \"none\"",
            ),
            (
                "\n{{ files.password.x }}",
                "needs a file that does not exist",
            ),
            ("\n{{ files.password() }}", "fails: "),
            ("\n{{ files.password.x() }}", "has an unknown method"),
            ("\n{{ -files.password }}", "fails: invalid operation"),
            (
                "\n{{ files.password * files.password }}",
                "fails: invalid operation",
            ),
            ("\n{{ 1 in files.bytes }}", "fails: invalid operation"),
            (
                "\n{{ files[files.password] }}",
                "needs a file that does not exist, by a computed name",
            ),
            (
                "\n{{ files[\"bytes\"] }}",
                "is not UTF-8 text: use b64encode (line 2 of the template)",
            ),
            (
                "\n{{ files[\"password\"]|b64decode }}",
                "b64decode takes base64, but it has a space at position 10",
            ),
            (
                "\n{{ files[\"password\"] + 1 }}",
                "fails: invalid operation",
            ),
        ] {
            let failure = rendered(template).unwrap_err();
            assert!(failure.contains(words), "{failure}");
            assert!(failure.ends_with("(line 2 of the template)"), "{failure}");
            assert!(!failure.contains("p@ss"), "{failure}");
        }
    }

    #[test]
    fn mistakes_are_found_before_any_value_is_known() {
        for (template, words) in [
            ("{{ files[", "is not a template: "),
            ("a\n{% if %}", "(line 2 of the template)"),
            ("{{ user }}", "has the unknown name \"user\""),
            ("{{ files|sha1 }}", "has an unknown filter"),
            ("{{ range(3) }}", "has the unknown name \"range\""),
            ("{{ now() }}", "has the unknown name \"now\""),
            (
                "{% for a in files %}{% for b in files %}{% for c in files %}{% for d in files %}{% for e in files %}{% for f in files %}{% for g in files %}{% for h in files %}{% for i in files %}{{ i }}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
                "takes too many steps",
            ),
        ] {
            let failure = checked(template).unwrap_err();
            assert!(failure.contains(words), "{template}: {failure}");
        }
        for template in [
            "{% include \"x\" %}",
            "{% import \"x\" as y %}",
            "{% extends \"x\" %}",
            "{% macro m() %}{% endmacro %}",
        ] {
            let failure = checked(template).unwrap_err();
            assert!(
                failure.contains("is not a template"),
                "{template}: {failure}"
            );
        }
    }

    /// Each would run for minutes, overflow the stack or fill the memory.
    #[test]
    fn nothing_hostile_takes_time() {
        let doubled = |start: &str, step: &str, times: usize, end: &str| {
            format!("{start}{}{end}", step.repeat(times))
        };
        let list = "{% set a = [\"x\"] %}";
        let nested = "{% set a = [a, a, a, a, a, a, a, a] %}";
        for template in [
            doubled("{% set a = \"xxxxxxxxxxxxxxxx\" %}", "{% set a = a ~ a %}", 40, "{{ a }}"),
            doubled(list, nested, 9, "{{ a }}"),
            doubled(list, nested, 9, "{% set b = a ~ \"\" %}"),
            doubled(list, "{% set a = a + a %}", 31, "{% set b = a ~ \"\" %}"),
            "{% for x in [\"x\"] * 90000000 %}{% endfor %}".to_owned(),
            "{% set a = \"x\" * 90000000 %}".to_owned(),
            "{% set a = \"x\" * 90000 %}{% set b %}{% for c in a %}{% for d in a %}{{ a }}{% endfor %}{% endfor %}{% endset %}".to_owned(),
            "{% set a = \"x\" * 900000 %}{% set b = a|replace(\"\", a) %}".to_owned(),
            "{% set a = \"x\" * 2000000 %}{{ a }}".to_owned(),
            "{% for i in range(100000000) %}{% endfor %}".to_owned(),
            doubled("{{ 1", "+1", 20_000, " }}"),
            doubled("{{ ", "not ", 15_000, "1 }}"),
            doubled("{{ ", "(", 60_000, ""),
            doubled("{{ files", ".x", 30_000, " }}"),
            doubled("{{ 1", "|trim", 10_000, " }}"),
            doubled("{% if 1 %}", "{% elif 1 %}", 5_000, "{% endif %}"),
            doubled("", "{% if true %}", 4_000, ""),
            doubled("{{ ", "(", 190, ""),
            doubled("{{ 1", " if 1 else 1", 190, " }}"),
        ] {
            let started = std::time::Instant::now();
            let refused = checked(&template).and_then(|()| rendered(&template).map(drop));
            let failure = refused.expect_err(&template);
            // Without optimization it is several times slower.
            let took = started.elapsed().as_millis();
            let most = if cfg!(debug_assertions) { 1000 } else { 50 };
            assert!(took < most, "{took} ms for {template:.60}: {failure}");
        }
    }

    #[test]
    fn what_is_just_allowed_is_rendered() {
        for template in [
            format!("{{{{ 1{} }}}}", "+1".repeat(99)),
            format!("{{{{ {}1 }}}}", "-".repeat(120)),
            format!("{{{{ files.user{} }}}}", "|trim".repeat(90)),
            format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(100)),
            "{{ files.user }}\n".repeat(3_700),
            "{##}".repeat(16_000),
        ] {
            checked(&template).unwrap();
            rendered(&template).unwrap();
        }
    }
}
