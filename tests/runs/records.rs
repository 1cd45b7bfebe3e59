//! What is in the files of a run, but for the identities of parameters, which are random.

use std::fs;
use std::path::Path;

/// The values in a burnpack file. Its description, which holds random parameter ids, is left out: ten bytes of header
/// tell its length, and the values start at the next multiple of 256.
pub fn values(path: &Path) -> Vec<u8> {
    values_in(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn values_in(bytes: &[u8]) -> Vec<u8> {
    let length = u32::from_le_bytes(bytes[6..10].try_into().expect("four bytes")) as usize;
    bytes[(10 + length).next_multiple_of(256).min(bytes.len())..].to_vec()
}

/// The steps that a run has checkpoints of, in order.
pub fn checkpoints(run: &Path) -> Vec<u64> {
    let entries = fs::read_dir(run.join("checkpoint")).expect("a folder of checkpoints").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let step = |name: String| name.strip_prefix("step-")?.strip_suffix(".ckpt")?.parse().ok();
    let mut steps: Vec<u64> = names.map(|name| step(name.clone()).unwrap_or_else(|| panic!("a file {name}"))).collect();
    steps.sort_unstable();
    steps
}

/// The values of the model in the checkpoint of a step.
pub fn checkpointed(run: &Path, step: u64) -> Vec<u8> {
    let bytes = fs::read(run.join(format!("checkpoint/step-{step}.ckpt"))).expect("a checkpoint");
    let mut rest = bytes.strip_prefix(b"burn-descent checkpoint 1\n").expect("its beginning");
    let mut part = || {
        let (length, tail) = rest.split_at(8);
        let (part, tail) = tail.split_at(u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize);
        rest = tail;
        part
    };
    let (_header, model) = (part(), part());
    values_in(model)
}

/// The values of the model in the last checkpoint of a run.
pub fn last_checkpoint(run: &Path) -> Vec<u8> {
    checkpointed(run, *checkpoints(run).last().expect("a checkpoint"))
}
