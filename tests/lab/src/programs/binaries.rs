//! Where the programs are, and that they are not older than their source.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Stop;

/// The programs that the lab runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `narrows-tracker`
    pub tracker: PathBuf,
    /// `narrows-agent`
    pub agent: PathBuf,
}

/// Finds both programs in `bin_dir`, or beside this one; there, under cargo, builds them first.
///
/// # Errors
/// What is missing and how to get it.
pub fn find(bin_dir: Option<&Path>) -> Result<Binaries, Stop> {
    let dir = match bin_dir {
        Some(dir) => dir.to_owned(),
        None => {
            let own = std::env::current_exe().map_err(|error| {
                Stop::Missing(format!(
                    "cannot tell where this program is ({error}); use --bin-dir"
                ))
            })?;
            let dir = own.parent().map(Path::to_owned).unwrap_or_default();
            build(&dir)?;
            dir
        }
    };
    let one = |name: &str| {
        let path = dir.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        match (path.is_file(), bin_dir) {
            (true, _) => Ok(path),
            (false, Some(_)) => Err(Stop::Wrong(format!("--bin-dir: no {name} in {}", dir.display()))),
            (false, None) => Err(Stop::Missing(format!(
                "no {name} in {}; build it with `cargo build --release`, or say where it is with --bin-dir",
                dir.display()
            ))),
        }
    };
    Ok(Binaries {
        tracker: one("narrows-tracker")?,
        agent: one("narrows-agent")?,
    })
}

/// `cargo run` builds this program only, so that the others could be missing or of yesterday.
///
/// # Errors
/// They do not build.
pub fn build(dir: &Path) -> Result<(), Stop> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO");
    let Some(order) = order(
        dir,
        dir.parent().is_some_and(|t| t.join("CACHEDIR.TAG").is_file()),
        cargo,
    ) else {
        return Ok(());
    };
    if !workspace.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let mut command = Command::new(&order.cargo);
    // stdout is for the result
    command.args(&order.args).current_dir(&workspace).stdin(Stdio::null()).stdout(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Stop::Missing(
            "the tracker and the agent do not build; see cargo's messages above".to_owned(),
        )),
        // a target folder without a cargo: the programs were copied here
        Err(_) if order.optional => Ok(()),
        Err(error) => Err(Stop::Missing(format!(
            "cannot run cargo to build the tracker and the agent: {error}"
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Order {
    cargo: OsString,
    args: Vec<OsString>,
    optional: bool,
}

/// How to build into the folder that this program is in; `None` if that is no folder of cargo's.
fn order(dir: &Path, target: bool, cargo: Option<OsString>) -> Option<Order> {
    let optional = cargo.is_none();
    let profile = dir.file_name()?.to_str()?;
    if !target {
        return None;
    }
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut args: Vec<OsString> = [
        "build",
        "--profile",
        profile,
        "-p",
        "narrows-tracker",
        "-p",
        "narrows-agent",
        "--bins",
        "--target-dir",
    ]
    .map(OsString::from)
    .into();
    args.push(dir.parent()?.as_os_str().to_owned());
    Some(Order {
        cargo: cargo.unwrap_or_else(|| "cargo".into()),
        args,
        optional,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_built_in_the_profile_of_the_lab_and_only_in_cargos_folder() {
        let built = order(Path::new("/w/target/release"), true, Some("/bin/cargo".into())).unwrap();
        assert_eq!(built.cargo, "/bin/cargo");
        assert!(built.args.windows(2).any(|pair| pair == ["--profile", "release"]));
        assert_eq!(built.args.last().unwrap(), "/w/target");
        let debug = order(Path::new("/w/target/debug"), true, None).unwrap();
        assert!(debug.args.contains(&"dev".into()) && debug.optional);
        assert_eq!(order(Path::new("/usr/bin"), false, Some("cargo".into())), None);
    }

    #[test]
    fn a_folder_without_the_programs_is_wrong_input() {
        let dir = tempfile::tempdir().unwrap();
        match find(Some(dir.path())) {
            Err(Stop::Wrong(text)) => assert!(
                text.contains("--bin-dir") && text.contains("narrows-tracker"),
                "{text}"
            ),
            other => panic!("{other:?}"),
        }
    }
}
