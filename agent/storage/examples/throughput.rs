//! How fast this machine makes a torrent, stores, reads and checks content:
//! `cargo run --release -p narrows-storage --example throughput -- FOLDER [MiB]`

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use narrows_protocol::metainfo::{BLOCK, Metainfo};
use narrows_storage::{Content, CreateOptions, OpenFiles, create};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("which folder?")?).join("narrows-throughput");
    let mib: usize = args.next().map_or(Ok(1024), |mib| mib.parse())?;
    fs::create_dir_all(folder.join("source"))?;
    let source = folder.join("source/data");
    let mut word = 1_u64;
    let data: Vec<u8> = std::iter::repeat_with(|| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as u8
    })
    .take(mib << 20)
    .collect();
    fs::write(&source, &data)?;
    let data = Bytes::from(data);

    let mut torrent = Vec::new();
    for threads in [1, std::thread::available_parallelism()?.into()] {
        let options = CreateOptions {
            threads: Some(threads),
            ..CreateOptions::default()
        };
        timed(&format!("create, {threads} threads"), mib, || {
            torrent = create(&source, options, &|_, _| {})?.torrent;
            Ok(())
        })?;
    }
    let meta = Arc::new(Metainfo::parse(&torrent)?);
    let (target, state) = (folder.join("target"), folder.join("state"));
    let content = Content::open(Arc::clone(&meta), &target, &state, &OpenFiles::new(64))?.content;
    let go = AtomicBool::new(false);
    content.check(&|_| {}, &go)?;
    content.reserve()?;
    timed("store, 1 thread (hash, write, journal)", mib, || {
        for piece in 0..meta.piece_count() {
            let start = meta.lengths().piece_offset(piece) as usize;
            let bytes = data.slice(start..start + meta.piece_size(piece) as usize);
            let block = BLOCK as usize;
            let blocks: Vec<Bytes> = (0..bytes.len())
                .step_by(block)
                .map(|at| bytes.slice(at..bytes.len().min(at + block)))
                .collect();
            content.store(piece, &blocks)?;
        }
        Ok(())
    })?;
    timed("sync", mib, || Ok(content.sync()?))?;
    timed("publish", mib, || Ok(content.publish()?))?;
    timed("read, 1 thread, by block", mib, || {
        let mut out = BytesMut::new();
        for piece in 0..meta.piece_count() {
            for block in 0..meta.lengths().block_count(piece) {
                out.clear();
                content.read(
                    piece,
                    block * BLOCK,
                    meta.lengths().block_len(piece, block * BLOCK),
                    &mut out,
                )?;
            }
        }
        Ok(())
    })?;
    timed("verify_all, all cores", mib, || {
        content.verify_all(&|_| {}, &go)?;
        Ok(())
    })?;
    drop(content);
    timed("open again, trusted", mib, || {
        Content::open(meta, &target, &state, &OpenFiles::new(64))?;
        Ok(())
    })?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn timed(
    what: &str,
    mib: usize,
    act: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    act()?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    println!(
        "{what:<40} {seconds:>8.3} s {:>8.0} MiB/s {cpu:>8.2} s CPU",
        mib as f64 / seconds
    );
    Ok(())
}

/// User and system time of all threads so far; 0 where there is no /proc. Tells more than the clock on a busy
/// machine.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
