//! Programs beside this one.

use std::path::Path;
use std::process::Command;

/// A program that the kernel ends when the thread that starts it ends, however that comes about. Where there is no `setpriv`,
/// whoever starts it has to end it.
pub fn ends_with_this(program: &Path) -> Command {
    let has_setpriv = Command::new("setpriv").arg("--version").output().is_ok();
    if !has_setpriv {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
