//! Tests of the variables that say where the injector connects to.

use proptest::prelude::*;

use super::*;

fn error(variable: &str, value: &str) -> String {
    check(variable, value).unwrap_err().to_string()
}

#[test]
fn every_variable_is_checked_by_its_own_rules() {
    let bad = "a b://";
    let all = ENDPOINTS
        .iter()
        .chain(&PROXIES)
        .chain(&NO_PROXIES)
        .chain(&FLAGS);
    for variable in all.chain([&AGENT]) {
        let error = error(variable, bad);
        assert!(
            error.starts_with(&format!("environment variable {variable}: ")),
            "{error}"
        );
        assert_eq!(
            check(variable, ""),
            Ok(()),
            "an empty value counts as unset"
        );
    }
    assert_eq!(check("FETCH_TIMEOUT", bad), Ok(()));
}

#[test]
fn an_endpoint_is_a_url_without_credentials() {
    for good in [
        "http://127.0.0.1:4566",
        "https://x.example/base",
        "HTTP://x",
    ] {
        assert_eq!(check("AWS_ENDPOINT_URL", good), Ok(()), "{good}");
    }
    let named = error(
        "AWS_ENDPOINT_URL_STS",
        "vpce-0abc.sts.us-east-2.vpce.amazonaws.com",
    );
    assert_eq!(
        named,
        "environment variable AWS_ENDPOINT_URL_STS: \"vpce-0abc.sts.us-east-2.vpce.amazonaws.com\" has no scheme; write https://vpce-0abc.sts.us-east-2.vpce.amazonaws.com"
    );
    let secret = error("AWS_ENDPOINT_URL", "https://u:hunter2@x");
    assert!(
        secret.contains("has a user or password") && !secret.contains("hunter2"),
        "{secret}"
    );
    for text in ["https://x/?a=hunter2", "https://x#hunter2"] {
        let query = error("AWS_ENDPOINT_URL", text);
        assert!(
            query.contains("? or #") && !query.contains("hunter2"),
            "{query}"
        );
    }
}

#[test]
fn what_is_no_url_is_told_what_to_write() {
    for (text, expected) in [
        (
            "127.0.0.1:4566",
            "\"127.0.0.1:4566\" has no scheme; write https://127.0.0.1:4566",
        ),
        ("//host/x", "has no scheme; write https://HOST"),
        ("https:/x", "has no scheme; write https://HOST"),
        ("ftp://x", "\"ftp://x\" is not a URL of http or https"),
        ("https://a\n", r#""https://a\n" is not a URL"#),
        ("https://a b", "is not a URL"),
        ("https://ü.example", "is not a URL"),
        ("https://", "is not a URL"),
        ("https:///x", "is not a URL"),
        ("https://:443", "is not a URL"),
        ("https://a..b", "is not a URL"),
        ("https://-{x}", "is not a URL"),
        ("https://fd00::1", "is not a URL"),
        ("https://[fd00::1", "is not a URL"),
        ("https://[x]", "is not a URL"),
        ("https://1.2.3.400", "is not a URL"),
        ("https://x:0", "is not a URL"),
        ("https://x:65536", "is not a URL"),
        ("https://x:", "is not a URL"),
        ("https://x:+80", "is not a URL"),
    ] {
        let error = error("AWS_ENDPOINT_URL", text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = error("AWS_ENDPOINT_URL", &format!("https://{}", "x".repeat(5000)));
    assert!(long.len() < 400, "{long}");
}

#[test]
fn the_token_goes_to_the_agent_or_over_tls_alone() {
    for good in [
        AgentUri::IPV4,
        AgentUri::IPV6,
        "https://example.com/x",
        "http://127.0.0.1:8080/v1",
        "http://[::1]/",
        "http://169.254.170.23",
    ] {
        assert_eq!(good.parse::<AgentUri>().unwrap().as_str(), good);
    }
    for bad in [
        "http://169.254.169.254/",
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "ftp://127.0.0.1/",
        "http://10.0.0.1/",
        "http://user@127.0.0.1:80/",
        "169.254.170.23/v1/credentials",
    ] {
        assert!(bad.parse::<AgentUri>().is_err(), "{bad}");
    }
    let error = error(AGENT, "http://example.com/");
    assert!(error.contains("the pod's token is sent there"), "{error}");
}

#[test]
fn a_proxy_may_lack_its_scheme_and_have_a_password_that_is_never_shown() {
    for (text, url) in [
        ("proxy:3128", "http://proxy:3128"),
        ("http://proxy:3128/", "http://proxy:3128/"),
        ("https://u:p%40ss@proxy", "https://u:p%40ss@proxy"),
        ("u:p@[fd00::1]:3128", "http://u:p@[fd00::1]:3128"),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!(proxy.with_password(), url);
        assert!(!format!("{proxy:?}").contains("p%40ss"));
    }
    for text in [
        "http://u:hun#ter2@proxy",
        "http://u:hunter2@",
        "http://u:hunt\"er2@proxy",
        "http://u:hun/ter2@proxy",
        "http://u:hunter2",
        "u:hunter2",
        "socks5://proxy:1080",
        "http:proxy",
        "http:user:hunter2@proxy",
        "http://proxy/path",
        "http://proxy?x",
    ] {
        let error = error("HTTPS_PROXY", text);
        assert!(error.contains("is not the URL of an HTTP proxy"), "{error}");
        assert!(!error.contains("er2"), "{error}");
    }
}

#[test]
fn a_list_of_hosts_has_no_entry_that_matches_nothing() {
    for good in [
        "127.0.0.1, 10.0.0.0/8,.cluster.local,svc,::1,fd00::/8,*,",
        "localhost",
        "169.254.170.23",
    ] {
        assert_eq!(check("NO_PROXY", good), Ok(()), "{good}");
    }
    for (bad, words) in [
        ("a,http://b", "\"http://b\" is a URL"),
        ("a b", "separate hosts by commas"),
        ("a:443", "has a port"),
        ("[::1]", "brackets"),
        ("10.0.0.0/33", "ADDRESS/BITS"),
        ("*.example.com", "write .DOMAIN"),
        ("a/b", "is not a host"),
    ] {
        let error = error("no_proxy", bad);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_flag_is_true_or_false() {
    assert_eq!("TRUE".parse(), Ok(Flag(true)));
    assert_eq!("false".parse(), Ok(Flag(false)));
    assert!(error("AWS_USE_FIPS_ENDPOINT", "maybe\u{1b}").contains(r#""maybe\u{1b}" is neither"#));
}

#[test]
fn a_password_with_a_slash_is_not_in_a_suggestion() {
    let error = error("HTTPS_PROXY", "u:1/hunter2@proxy");
    assert!(!error.contains("hunter2"), "{error}");
    let error = self::error("AWS_ENDPOINT_URL", "u:1/hunter2@proxy");
    assert!(error.ends_with("write https://HOST"), "{error}");
}

proptest! {
    /// Whatever a variable holds, it is read or refused without a panic, and no password is in the message.
    #[test]
    fn any_text_is_read_or_refused_without_its_password(text in ".*", password in "[a-zA-Z0-9/?#%:@ ]{0,4}hunter2[a-zA-Z0-9/?#%: ]{0,4}") {
        let all = ENDPOINTS.iter().chain(&PROXIES).chain(&NO_PROXIES).chain(&FLAGS);
        for variable in all.chain([&AGENT]) {
            let _ = check(variable, &text);
        }
        for form in ["http://u:PASSWORD@proxy:3128", "u:PASSWORD@proxy", "https://PASSWORD@proxy/x", "http:/u:PASSWORD@x", "socks5://u:PASSWORD@x"] {
            for variable in ENDPOINTS.iter().chain(&PROXIES).chain(&NO_PROXIES) {
                if let Err(error) = check(variable, &form.replace("PASSWORD", &password)) {
                    prop_assert!(!error.to_string().contains("hunter2"), "{}", error);
                }
            }
        }
    }
}
