//! Tests of the URLs of servers.

use super::*;

#[test]
fn a_url_is_put_together_as_it_was() {
    for url in [
        "http://127.0.0.1:4566",
        "https://vpce-0abc-1.sts.us-east-2.vpce.amazonaws.com",
        "https://proxy/aws/v1.0/",
        "http://[fd00:ec2::23]:80/v1/credentials?a=b&c=%20",
        "http://local_stack.:4566/",
    ] {
        assert_eq!(Parts::of(url, None).unwrap().to_url(), url);
    }
    assert_eq!(
        Parts::of("HTTPS://Host", None).unwrap().to_url(),
        "https://Host"
    );
}

#[test]
fn every_mistake_is_named_with_what_to_write() {
    for (text, expected) in [
        (
            "vpce-0abc.amazonaws.com",
            "\"vpce-0abc.amazonaws.com\" has no scheme; write https://vpce-0abc.amazonaws.com",
        ),
        (
            "127.0.0.1:4566",
            "\"127.0.0.1:4566\" has no scheme; write http://127.0.0.1:4566",
        ),
        (
            "//host/x",
            "\"//host/x\" has no scheme; write https://host/x",
        ),
        (
            "https:/x",
            "\"https:/x\" has no // after its scheme; write https://x",
        ),
        (
            "http:x:80/y",
            "\"http:x:80/y\" has no // after its scheme; write http://x:80/y",
        ),
        ("ftp://x", "a scheme other than"),
        ("https://a b", "\"https://a b\" has a space"),
        ("https://a\n", r#""https://a\n" has a space"#),
        ("https://ü.example", "beyond ASCII"),
        ("https://", "has no host"),
        ("https:///x", "has no host"),
        ("https://:443", "has no host"),
        ("https://a..b", "neither a name nor an address"),
        ("https://-{x}", "neither a name nor an address"),
        ("https://fd00::1", "IPv6 in brackets"),
        ("https://[fd00::1", "IPv6 in brackets"),
        ("https://[x]", "IPv6 in brackets"),
        ("https://1.2.3.400", "neither a name nor an address"),
        ("https://x:0", "port"),
        ("https://x:65536", "port"),
        ("https://x:", "port"),
        ("https://x:+80", "port"),
        ("https://x/%zz", "percent-encode"),
        ("https://x/{y}", "percent-encode"),
        ("https://x#y", "? or #"),
    ] {
        let error = Parts::of(text, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = Parts::of(&format!("https://{}", "x".repeat(5000)), None).unwrap_err();
    assert!(long.to_string().len() < 400, "{long}");
}

#[test]
fn no_part_of_a_password_is_shown() {
    for text in [
        "http://hunter2:hunter2@proxy:3128",
        "http://hunter2@proxy",
        "hunter2:hunter2@proxy:3128",
        "http://u:hun/hunter2@proxy",
        "http://u:hunter2%40proxy",
        "http://u:hun/hunter2%40proxy:3128",
        "http://u:p@hunter2@proxy",
        "http://u:hun ter@hunter2@proxy",
        "http:/u:hunter2@proxy",
        "http:u:hunter2@proxy",
        "socks5://u:hunter2@proxy",
        "socks5://u:hunter2",
        "http://u:hunter2",
        "u:hunter2",
        "http://proxy?password=hunter2",
        "http://proxy#hunter2@x",
        "http://proxy/hunter2",
        "u:hunter2@http://proxy",
    ] {
        assert!(
            !shown(text, true).contains("hunter2"),
            "{}",
            shown(text, true)
        );
        if let Err(error) = Parts::of(text, Some(Scheme::Http)) {
            let error = error.of_proxy(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    assert_eq!(
        shown("http://u:p@proxy:3128", true),
        "\"http://…@proxy:3128\""
    );
}
