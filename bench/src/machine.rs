//! The machine on which the figures were measured.

use std::fs;

/// Processor, memory, kernel, compiler and version, as one line.
pub(crate) fn facts() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let version = e2e::command::run(std::process::Command::new("rustc").arg("--version"));
    format!(
        "{cpus} CPUs ({model}), {} GiB of memory, Linux {}, {}, {}.",
        kibibytes >> 20,
        kernel.trim(),
        version.unwrap_or_default().trim(),
        concat!("version ", env!("CARGO_PKG_VERSION")),
    )
}
