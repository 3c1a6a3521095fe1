//! Child processes.

use std::path::Path;
use std::process::Command;

/// A program that the kernel kills when the thread that started it ends, for any reason. Without `setpriv`, the caller has to
/// stop it.
pub fn ends_with_this(program: &Path) -> Command {
    let has_setpriv = Command::new("setpriv").arg("--version").output().is_ok();
    if !has_setpriv {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
