//! Calls for the parameters below paths: where paths overlap, the highest one is asked for all of them.

use std::collections::HashMap;

use crate::PathRequest;

/// A call of `GetParametersByPath`, with all of its pages.
#[derive(Clone, Debug, PartialEq)]
pub struct PathCall<'a, T> {
    /// What is asked.
    pub request: &'a PathRequest,
    /// The requests that the answer is for, with what the caller knows them by.
    pub requests: Vec<(T, &'a PathRequest)>,
}

/// Where a call is looked up: its label, path, and whether it is for all levels.
type Key<'a> = (Option<&'a str>, &'a str, bool);

/// Requests for paths as calls, so that every parameter is asked for once.
pub fn path_calls<'a, T>(
    paths: impl IntoIterator<Item = (T, &'a PathRequest)>,
) -> Vec<PathCall<'a, T>> {
    let mut paths: Vec<(T, &PathRequest)> = paths.into_iter().collect();
    // A request that includes others comes before them.
    paths.sort_by_key(|(_, request)| (request.path.len(), !request.is_recursive));
    let mut calls: Vec<PathCall<'a, T>> = Vec::new();
    let mut known: HashMap<Key<'a>, usize> = HashMap::new();
    for (tag, request) in paths {
        let label = request.label.as_deref();
        let own = (label, request.path.as_str(), request.is_recursive);
        let above = ancestors(&request.path).map(|path| (label, path, true));
        let mut keys = above.chain([own]);
        let call = keys.find_map(|key| known.get(&key).copied());
        let call = call.unwrap_or_else(|| {
            known.insert(own, calls.len());
            calls.push(PathCall {
                request,
                requests: Vec::new(),
            });
            calls.len() - 1
        });
        calls[call].requests.push((tag, request));
    }
    calls
}

/// A path and all paths above it, up to the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rsplit_once('/').map(|(above, _)| above)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(paths: &[(&str, bool, Option<&str>)]) -> Vec<(String, Vec<usize>)> {
        let requests: Vec<PathRequest> = paths
            .iter()
            .map(|(path, is_recursive, label)| PathRequest {
                path: (*path).to_owned(),
                is_recursive: *is_recursive,
                label: label.map(str::to_owned),
            })
            .collect();
        let calls = path_calls(requests.iter().enumerate()).into_iter();
        calls
            .map(|call| {
                let requests = call.requests.iter();
                let mut tags: Vec<_> = requests.map(|(tag, _)| *tag).collect();
                tags.sort_unstable();
                (call.request.wire_path().to_owned(), tags)
            })
            .collect()
    }

    #[test]
    fn overlapping_paths_are_asked_once() {
        let found = calls(&[
            ("/app/db", true, None),
            ("/app", false, None),
            ("/app", true, None),
            ("/application", true, None),
            ("/app/db/x", false, None),
        ]);
        assert_eq!(
            found,
            [
                ("/app".to_owned(), vec![0, 1, 2, 4]),
                ("/application".to_owned(), vec![3])
            ]
        );
        assert_eq!(calls(&[("/a", true, None), ("", true, None)]).len(), 1);
    }

    #[test]
    fn one_level_or_another_label_includes_nothing_else() {
        let found = calls(&[
            ("/app", false, None),
            ("/app/db", true, None),
            ("/app/db", true, Some("live")),
            ("/app", false, None),
        ]);
        assert_eq!(
            found,
            [
                ("/app".to_owned(), vec![0, 3]),
                ("/app/db".to_owned(), vec![1]),
                ("/app/db".to_owned(), vec![2])
            ]
        );
    }
}
