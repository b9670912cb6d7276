//! `tidegate completions` and `man-pages`: what packages install for shells and for man(1), made from the command line's own definition.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, output};

/// Prints the script of a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
    output::print(String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `tidegate.1`, and `tidegate-<command>.1` for every command, to a folder.
pub(super) fn man_pages(folder: &Path) -> anyhow::Result<ExitCode> {
    let write = || {
        fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)
    };
    write().with_context(|| format!("writing man pages to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
