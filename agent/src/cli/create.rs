//! `create`: a .torrent of a file or a folder.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use narrows_host::{complain, say};
use narrows_protocol::AnnounceUrl;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::Names;
use narrows_storage::CreateOptions;

use super::show;

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    /// The file or folder.
    path: PathBuf,
    /// Announce URL; several are tiers of their own, tried in order.
    #[arg(long, required = true)]
    tracker: Vec<AnnounceUrl>,
    /// Where to write the .torrent.
    #[arg(long, short)]
    output: PathBuf,
    /// The content's name; default: that of the file or folder.
    #[arg(long)]
    name: Option<String>,
    /// Bytes, a power of two from 16 KiB (16384, 16KiB) to 64 MiB; default: by size.
    #[arg(long, value_parser = piece_length)]
    piece_length: Option<u32>,
    /// For which machines its names must do: portable, or linux (agents then need `names: linux`, and none
    /// has Windows).
    #[arg(long, default_value = "portable")]
    names: Names,
}

/// Makes a torrent, with a progress bar on a terminal.
pub(super) fn create(args: CreateArgs) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(show::bytes_style());
    let options = CreateOptions {
        announce: args.tracker.iter().map(|url| vec![url.to_string()]).collect(),
        name: args.name,
        piece_length: args.piece_length,
        names: args.names,
        ..CreateOptions::default()
    };
    let made = narrows_storage::create(&args.path, options, &|hashed, total| {
        bar.set_length(total);
        bar.set_position(hashed);
    })?;
    bar.finish_and_clear();
    let torrent = made.torrent;
    std::fs::write(&args.output, &torrent)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    for lost in made.lost {
        complain!("narrows-agent: {lost}");
    }
    let meta = Metainfo::parse_for(&torrent, args.names)?;
    say!(
        "{}: {}, {} files, {} pieces of {}, info hash {}",
        args.output.display(),
        show::bytes(meta.total),
        meta.files.len(),
        meta.piece_count(),
        show::piece_length(meta.piece_length),
        meta.info_hash
    );
    Ok(())
}

/// `262144`, `256KiB`, `1 MiB`.
fn piece_length(text: &str) -> Result<u32, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" | "m" => 1 << 20,
        _ => return Err("write bytes, KiB or MiB".to_owned()),
    };
    let bytes = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    bytes
        .filter(|bytes| bytes.is_power_of_two() && (16 << 10..=64 << 20).contains(bytes))
        .ok_or_else(|| "a power of two from 16 KiB to 64 MiB".to_owned())
}
