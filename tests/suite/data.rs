//! Data from files, mirrors and pictures: what is right is read, what is wrong is told.

use std::{
    fmt::Debug,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use burn_descent_lab::data::{
    CifarFormat, ColumnSchema, Content, DataError, DataSource, Encoding, Failure, ImageFolderConfig, KnownDataset,
    LabelSchema, LabelledImages, Manifest, Origin, Records, RemoteFile, SplitConfig, Splits, Statistics, Table,
    TableConfig, TableSchema, TableTask, Targets, read_digit, read_image_folder, read_images, read_labelled,
    read_labels, read_libsvm, read_records, read_table, write_gray_png,
};
use flate2::{Compression, Crc, write::GzEncoder};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, Luma, Rgba, RgbaImage};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

// ---------------------------------------------------------------------------------------------------------------------
// IDX

fn idx(dims: &[u32], items: &[u8]) -> Vec<u8> {
    let magic = 0x0800 + dims.len() as u32;
    let header = [magic].into_iter().chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(items.iter().copied()).collect()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// One line that has each of these in it.
fn says<T: Debug>(result: Result<T, DataError>, parts: &[&str]) -> DataError {
    let error = result.expect_err("should fail");
    let text = error.to_string();
    assert!(!text.contains('\n'), "several lines: {text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    error
}

#[test]
fn idx_is_read_packed_or_not_whatever_its_name() {
    let folder = tempdir().unwrap();
    let images = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let labels = idx(&[2], &[9, 0]);
    for (images, labels) in [(images.clone(), labels.clone()), (gz(&images), gz(&labels))] {
        let set = read_labelled(put(&folder, "a.gz", &images), put(&folder, "b", &labels), 10).unwrap();
        assert_eq!(set, LabelledImages::new(1, 3, vec![1, 2, 3, 4, 5, 6], vec![9, 0]).unwrap());
        assert_eq!((set.height(), set.width(), set.len(), set.is_empty()), (1, 3, 2, false));
        assert_eq!((set.image(1), set.label(1)), (&[4, 5, 6][..], 0));
        let picked = set.select(&[1, 0, 1]);
        assert_eq!((picked.pixels(), picked.labels()), (&[4, 5, 6, 1, 2, 3, 4, 5, 6][..], &[0, 9, 0][..]));
        assert!(set.select(&[]).is_empty());
    }
}

#[test]
fn wrong_idx_is_told() {
    let folder = tempdir().unwrap();
    let images = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let file = |bytes: &[u8]| put(&folder, "images", bytes);

    let missing = folder.path().join("none");
    says(read_images(&missing), &["could not read", "none", "No such file"]);
    says(read_images(folder.path()), &["could not read", folder.path().to_str().unwrap()]);
    says(read_images(file(&idx(&[2], &[1, 2]))), &["images", "0x00000801", "expected 0x00000803"]);
    says(read_labels(file(&images)), &["0x00000803", "expected 0x00000801"]);
    says(read_images(file(b"text")), &["0x74657874"]);
    says(read_images(file(b"")), &["truncated: 0 bytes", "expected 16"]);
    says(read_images(file(&images[..10])), &["truncated: 10 bytes", "expected 16"]);
    says(read_images(file(&images[..20])), &["truncated: 20 bytes", "expected 22"]);
    says(read_images(file(&[&images[..], &[0]].concat())), &["too long", "22 bytes"]);
    says(read_images(file(&idx(&[0, 28, 28], &[]))), &["0 x 28 x 28", "at least 1"]);
    says(read_labels(file(&idx(&[0], &[]))), &["declares 0 items"]);
    says(read_images(file(&idx(&[u32::MAX; 3], &[0]))), &["4294967295 x 4294967295", "at most"]);
    // Large but allowed: nothing is allocated for what is not there.
    says(read_images(file(&idx(&[2_000, 1_000, 1_000], &[7]))), &["truncated: 17 bytes", "expected 2000000016"]);

    let packed = gz(&idx(&[1, 100, 100], &[3; 10_000]));
    for cut in [1, 4, 8, 12, packed.len() - 20] {
        let error = says(read_images(file(&packed[..packed.len() - cut])), &["images"]);
        assert!(matches!(error, DataError::Truncated { .. } | DataError::Read { .. }), "{error}");
    }
    let mut bent = packed.clone();
    let crc = bent.len() - 6;
    bent[crc] ^= 1;
    says(read_images(file(&bent)), &["could not read"]);
    says(read_images(file(&[&packed[..], b"more"].concat())), &["could not read"]);
}

#[test]
fn images_and_labels_have_to_agree() {
    let folder = tempdir().unwrap();
    let images = put(&folder, "images", &idx(&[2, 1, 1], &[1, 2]));
    let labels = put(&folder, "labels", &idx(&[3], &[1, 2, 3]));
    says(read_labelled(&images, &labels, 10), &["labels has 3 labels", "expected 2", "images"]);
    let labels = put(&folder, "labels", &idx(&[2], &[9, 10]));
    says(read_labelled(&images, &labels, 10), &["labels: label 1 is 10", "less than 10"]);
    says(read_labelled(&images, &labels, 0), &["label 0 is 9", "less than 0"]);

    says(LabelledImages::new(2, 2, vec![0; 7], vec![0; 2]), &["7 pixels", "2 x 2 x 2"]);
    says(LabelledImages::new(0, 2, vec![], vec![]), &["0 x 0 x 2"]);
    says(LabelledImages::new(usize::MAX, 2, vec![], vec![1]), &["neither side 0"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Images in memory

#[test]
fn images_of_any_kind_are_held() {
    let pixels: Vec<u8> = (0..24).collect();
    let set = LabelledImages::with_classes([3, 2, 2], pixels.clone(), vec![1, 0], names(&["a", "b"])).unwrap();
    assert_eq!((set.channels(), set.height(), set.width(), set.classes(), set.len()), (3, 2, 2, 2, 2));
    assert_eq!((set.image(1), set.label(1), set.labels()), (&pixels[12..], 0, &[1, 0][..]));
    let picked = set.select(&[1]);
    assert_eq!((picked.channels(), picked.image(0), picked.class_names()), (3, &pixels[12..], set.class_names()));
    let digits = LabelledImages::new(1, 1, vec![0], vec![9]).unwrap();
    assert_eq!((digits.classes(), &digits.class_names()[9][..]), (10, "9"));
}

#[test]
fn wrong_images_are_told() {
    let make = |pixels: usize, labels: &[u32]| {
        LabelledImages::with_classes([3, 2, 1], vec![0; pixels], labels.to_vec(), names(&["a", "b"]))
    };
    says(make(11, &[0, 1]), &["11 pixels", "expected 2 x 3 x 2 x 1"]);
    says(make(0, &[]), &["no images, expected at least 1"]);
    says(make(18, &[0, 1, 2]), &["label 2 is 2, expected less than 2"]);
    says(LabelledImages::new(1, 1, vec![0; 2], vec![0, 10]), &["label 1 is 10, expected less than 10"]);
    let huge = LabelledImages::with_classes([3, usize::MAX, 2], vec![], vec![], names(&["a"]));
    says(huge, &["0 pixels", "expected 0 x 3 x 18446744073709551615 x 2"]);
}

#[test]
fn statistics_are_those_of_the_chosen_images_on_any_number_of_threads() {
    let pixels: Vec<u8> = (0..1_000 * 3 * 4).map(|i| (i * 7_919 % 251) as u8).collect();
    let set = LabelledImages::with_classes([3, 2, 2], pixels, vec![0; 1_000], names(&["a"])).unwrap();
    let chosen: Vec<usize> = (0..1_000).step_by(3).collect();
    let found = set.statistics(&chosen);
    for channel in 0..3 {
        let plane = |&i: &usize| set.image(i)[channel * 4..][..4].iter().map(|&v| f64::from(v) / 255.0);
        let values: Vec<f64> = chosen.iter().flat_map(plane).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((found.mean[channel] - mean).abs() < 1e-12, "{found:?}");
        assert!((found.deviation[channel] - variance.sqrt()).abs() < 1e-12, "{found:?}");
    }
    for threads in [1, 2, 7] {
        assert_eq!(on_threads(threads, || set.statistics(&chosen)), found);
    }
    assert_eq!(set.statistics(&[]), Statistics { mean: vec![0.0; 3], deviation: vec![0.0; 3] });
    let white = LabelledImages::new(1, 1, vec![255], vec![0]).unwrap();
    assert_eq!(white.statistics(&[0]), Statistics { mean: vec![1.0], deviation: vec![0.0] });
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

// ---------------------------------------------------------------------------------------------------------------------
// Damage

/// Damages that happen to files: bytes changed, a piece lost, a piece twice, the end lost.
fn damage() -> impl Strategy<Value = Vec<(u8, usize, usize, u8)>> {
    prop::collection::vec((0..4_u8, any::<usize>(), any::<usize>(), any::<u8>()), 1..4)
}

fn damaged(bytes: &[u8], damages: &[(u8, usize, usize, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(kind, a, b, byte) in damages {
        if bytes.is_empty() {
            break;
        }
        let start = a % bytes.len();
        let end = start + b % (bytes.len() - start);
        match kind {
            0 => bytes[start] = byte,
            1 => drop(bytes.drain(start..end)),
            2 => bytes.truncate(start),
            _ => {
                let piece = bytes[start..end].to_vec();
                bytes.splice(start..start, piece);
            }
        }
    }
    bytes
}

/// Runs `read` on damaged copies of a file; whatever it says, it is one line and no panic.
fn survives<T>(cases: u32, file: &[u8], mut read: impl FnMut(&[u8]) -> Result<T, DataError>) {
    let config =
        ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::with_cases(cases) };
    let read = std::cell::RefCell::new(&mut read);
    TestRunner::new(config)
        .run(&damage(), |damages| {
            let bytes = damaged(file, &damages);
            if let Err(error) = read.borrow_mut()(&bytes) {
                let text = error.to_string();
                prop_assert!(!text.contains('\n'), "several lines: {text}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn damaged_idx_files_are_survived() {
    let folder = tempdir().unwrap();
    let file = idx(&[3, 4, 5], &[7; 60]);
    survives(1_000, &file, |bytes| read_images(put(&folder, "images", bytes)));
    survives(1_000, &gz(&file), |bytes| read_images(put(&folder, "images", bytes)));
}

// ---------------------------------------------------------------------------------------------------------------------
// CIFAR

/// A record: the labels before the image, whose planes are filled with `first`, `first + 1` and `first + 2`.
fn cifar_record(labels: &[u8], first: u8) -> Vec<u8> {
    let planes = (first..first + 3).flat_map(|value| [value; 1024]);
    labels.iter().copied().chain(planes).collect()
}

/// The files of a tiny CIFAR, in the order of [`CifarFormat::files`].
fn cifar_files(format: CifarFormat) -> Vec<(&'static str, Vec<u8>)> {
    let classes = (0..format.classes()).map(|class| format!("class_{class}\n"));
    let classes = classes.chain(["\n".into()]).collect::<String>().into_bytes();
    let contents = match format {
        CifarFormat::Cifar10 => {
            let batches = (1..=5).map(|i| cifar_record(&[i], 10 * i));
            batches.chain([[cifar_record(&[9], 90), cifar_record(&[0], 0)].concat(), classes]).collect()
        }
        CifarFormat::Cifar100 => {
            let train = [cifar_record(&[3, 99], 20), cifar_record(&[4, 0], 30)].concat();
            vec![train, cifar_record(&[5, 42], 40), classes]
        }
    };
    format.files().iter().copied().zip(contents).collect()
}

/// The archive, with a file that nobody asked for.
fn cifar_archive(format: CifarFormat, files: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files.iter().rev().chain(&[("readme.html", b"hello".to_vec())]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{}/{name}", format.folder()), &bytes[..]).unwrap();
    }
    gz(&archive.into_inner().unwrap())
}

const CIFAR: [(KnownDataset, CifarFormat); 2] =
    [(KnownDataset::Cifar10, CifarFormat::Cifar10), (KnownDataset::Cifar100, CifarFormat::Cifar100)];

fn cifar_is_right(format: CifarFormat, splits: &Splits) {
    let Splits { train, validation, test, .. } = splits;
    assert!(validation.is_none());
    assert_eq!((train.channels(), train.height(), train.width()), (3, 32, 32));
    assert_eq!((test.classes(), &test.class_names()[3][..]), (format.classes(), "class_3"));
    let (labels, last): ([&[u32]; 2], u8) = match format {
        CifarFormat::Cifar10 => ([&[1, 2, 3, 4, 5], &[9, 0]], 50),
        CifarFormat::Cifar100 => ([&[99, 0], &[42]], 30),
    };
    assert_eq!([train.labels(), test.labels()], labels);
    let image = train.image(train.len() - 1);
    assert_eq!((image.len(), image[0], image[1023], image[1024], image[3071]), (3072, last, last, last + 1, last + 2));
}

#[test]
fn cifar_is_read_from_either_folder() {
    for (dataset, format) in CIFAR {
        let outer = tempdir().unwrap();
        let inner = outer.path().join(format.folder());
        fs::create_dir(&inner).unwrap();
        for (name, bytes) in cifar_files(format) {
            fs::write(inner.join(name), bytes).unwrap();
        }
        for folder in [outer.path(), &inner] {
            cifar_is_right(format, &DataSource::new().folder(folder).load(dataset).unwrap());
        }
    }
}

#[test]
fn cifar_is_unpacked_from_the_archive_in_the_cache() {
    for (dataset, format) in CIFAR {
        let cache = tempdir().unwrap();
        let bytes = cifar_archive(format, &cifar_files(format));
        let mut manifest = dataset.manifest();
        let Content::Cifar { archive, .. } = &mut manifest.content else { panic!("{manifest:?}") };
        archive.sha256 = sha256(&bytes);
        let path = cache.path().join(manifest.name.to_lowercase()).join(&archive.name);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let source = DataSource::new().cache(cache.path()).mirror(closed());
        let splits = source.load_manifest(&manifest, |_| None).unwrap();
        cifar_is_right(format, &splits);
        assert_eq!(splits.origin, Origin::Cache(path.parent().unwrap().into()));
        // One that is not the known one counts as missing.
        assert!(source.load_manifest(&dataset.manifest(), |_| None).unwrap_err().is_offline());
    }
}

#[test]
fn cifar_is_downloaded() {
    let (cache, format) = (tempdir().unwrap(), CifarFormat::Cifar100);
    let server = Server::new(Reply::Right);
    let mut manifest = KnownDataset::Cifar100.manifest();
    let Content::Cifar { archive, .. } = &mut manifest.content else { panic!("{manifest:?}") };
    archive.sha256 = sha256(&cifar_archive(format, &cifar_files(format)));
    let source = DataSource::new().cache(cache.path()).mirror(&server.url);
    for origin in ["downloaded from http://127.0.0.1", "cache "] {
        let splits = source.load_manifest(&manifest, |_| None).unwrap();
        cifar_is_right(format, &splits);
        assert!(splits.origin.to_string().starts_with(origin), "{}", splits.origin);
    }
    assert_eq!(server.hits(), 1);
}

#[test]
fn wrong_cifar_is_told() {
    let folder = tempdir().unwrap();
    let read = || DataSource::new().folder(folder.path()).load(KnownDataset::Cifar100);
    says(read(), &["a file is missing", "fine_label_names.txt, cifar-100-binary/fine_label_names.txt"]);
    let nowhere = DataSource::new().folder("/nowhere").load(KnownDataset::Cifar10);
    says(nowhere, &["/nowhere", "data_batch_1.bin", "batches.meta.txt"]);

    for (name, bytes) in cifar_files(CifarFormat::Cifar100) {
        put(&folder, name, &bytes);
    }
    cifar_is_right(CifarFormat::Cifar100, &read().unwrap());
    for (name, bytes, parts) in [
        ("test.bin", vec![], ["test.bin: truncated: 0 bytes", "expected 3074"]),
        ("test.bin", vec![0; 3_075], ["test.bin: truncated: 3075 bytes", "expected 6148"]),
        ("train.bin", cifar_record(&[0, 100], 0), ["train.bin: label 0 is 100", "less than 100"]),
        ("fine_label_names.txt", b"a b".to_vec(), ["fine_label_names.txt: 2 class names", "expected 100"]),
    ] {
        let path = folder.path().join(name);
        let right = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        says(read(), &parts);
        fs::write(&path, right).unwrap();
    }
    // Nothing is allocated for what is not there.
    fs::File::options().write(true).open(folder.path().join("train.bin")).unwrap().set_len(1 << 40).unwrap();
    says(read(), &["train.bin: 1099511627776 bytes", "expected at most 268435456"]);
}

#[test]
fn damaged_cifar_is_survived() {
    let cache = tempdir().unwrap();
    let format = CifarFormat::Cifar100;
    let mut manifest = KnownDataset::Cifar100.manifest();
    let path = cache.path().join("cifar-100/cifar-100-binary.tar.gz");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let source = DataSource::new().cache(cache.path());
    let mut read = |bytes: &[u8]| {
        let Content::Cifar { archive, .. } = &mut manifest.content else { panic!() };
        archive.sha256 = sha256(bytes);
        fs::write(&path, bytes).unwrap();
        source.load_manifest(&manifest, |_| None)
    };
    let files = cifar_files(format);
    let packed = cifar_archive(format, &files);
    cifar_is_right(format, &read(&packed).unwrap());
    says(
        read(&cifar_archive(format, &files[1..])),
        &["cifar-100-binary.tar.gz", "missing", "cifar-100-binary/train.bin"],
    );
    let mut header = tar::Header::new_gnu();
    header.set_path("cifar-100-binary/train.bin").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    says(read(&gz(header.as_bytes())), &["train.bin: 1099511627776 bytes", "expected at most 268435456"]);
    header.set_size(1 << 20);
    header.set_cksum();
    says(read(&gz(header.as_bytes())), &["train.bin: truncated: 0 bytes", "expected 1048576"]);
    survives(1_000, &packed, &mut read);
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain).unwrap();
    survives(1_000, &plain, |bytes| read(&gz(bytes)));
}

// ---------------------------------------------------------------------------------------------------------------------
// Folders, cache and mirrors

/// Two training and one test image, as mirrors offer them: name and gzipped file.
fn tiny() -> [(String, Vec<u8>); 4] {
    let manifest = KnownDataset::Mnist.manifest();
    let files = manifest.content.remote_files();
    let contents = [idx(&[2, 1, 2], &[1, 2, 3, 4]), idx(&[2], &[0, 1]), idx(&[1, 1, 2], &[5, 6]), idx(&[1], &[2])];
    std::array::from_fn(|i| (files[i].name.clone(), gz(&contents[i])))
}

fn manifest(mirrors: &[&str]) -> Manifest {
    Manifest {
        name: "Tiny".into(),
        env_var: "TINY_DIR".into(),
        content: Content::Idx {
            files: tiny().map(|(name, bytes)| RemoteFile { name, sha256: sha256(&bytes) }),
            class_names: names(&["nought", "one", "two"]),
        },
        mirrors: mirrors.iter().map(|&url| url.into()).collect(),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(names: &[&str]) -> Arc<[String]> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[derive(Clone)]
enum Reply {
    Right,
    Status(u16),
    /// Announces the file and breaks off after half of it.
    Truncate,
    /// Another file, well formed.
    Lie,
    /// Announces more than anybody should accept.
    Announce,
    /// Announces nothing and never ends.
    Flood,
    HangUp,
    Stall,
}

/// A mirror on this machine that answers every request in one way.
struct Server {
    url: String,
    hits: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hits, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (hits.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(SeqCst) {
                    return;
                }
                count.fetch_add(1, SeqCst);
                let (reply, end) = (reply.clone(), end.clone());
                // The client may hang up first.
                thread::spawn(move || stream.and_then(|stream| answer(stream, reply, &end)).ok());
            }
        });
        Self { url, hits, stop, thread: Some(thread) }
    }

    fn hits(&self) -> usize {
        self.hits.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _woken = TcpStream::connect(self.url.trim_start_matches("http://"));
        self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream, reply: Reply, end: &AtomicBool) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let wanted = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("");
    let archive = cifar_archive(CifarFormat::Cifar100, &cifar_files(CifarFormat::Cifar100));
    let mut files = tiny().into_iter().chain([("cifar-100-binary.tar.gz".to_owned(), archive)]);
    let file = files.find(|(name, _)| wanted == format!("/{name}"));
    let mut send = |status: u16, length: usize, body: &[u8]| {
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
        stream.write_all(body)
    };
    match (reply, file) {
        (Reply::HangUp, _) => Ok(()),
        (Reply::Stall, _) => {
            while !end.load(SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        }
        (Reply::Status(status), _) => send(status, 3, b"no\n"),
        (_, None) => send(404, 0, b""),
        (Reply::Right, Some((_, bytes))) => send(200, bytes.len(), &bytes),
        (Reply::Truncate, Some((_, bytes))) => send(200, bytes.len(), &bytes[..bytes.len() / 2]),
        (Reply::Lie, _) => {
            let other = gz(&idx(&[2, 1, 2], &[9; 4]));
            send(200, other.len(), &other)
        }
        (Reply::Announce, _) => send(200, 1 << 40, b"x"),
        (Reply::Flood, _) => {
            stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 1 << 16])?;
            }
        }
    }
}

/// An address where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn load(cache: &Path, mirrors: &[&str]) -> Result<Splits, DataError> {
    let source = DataSource::new().cache(cache).progress(true).timeout(Duration::from_millis(300));
    source.load_manifest(&manifest(mirrors), |_| None)
}

/// The names in the cache of the tiny data set.
fn cached(cache: &TempDir) -> Vec<String> {
    let Ok(folder) = fs::read_dir(cache.path().join("tiny")) else { return Vec::new() };
    folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn folders_are_read_in_every_spelling_and_in_order() {
    type Spelling = fn(&str, &[u8], &[u8]) -> (String, Vec<u8>);
    let spellings: [Spelling; 4] = [
        |name, packed, _| (name.into(), packed.into()),
        |name, _, raw| (name.replace(".gz", ""), raw.into()),
        |name, _, raw| (name.replace(".gz", "").replace("-idx", ".idx"), raw.into()),
        |name, packed, _| (name.replace("-idx", ".idx"), packed.into()),
    ];
    for spelling in spellings {
        let folder = tempdir().unwrap();
        for (name, packed) in tiny() {
            let mut raw = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut raw).unwrap();
            let (name, bytes) = spelling(&name, &packed, &raw);
            put(&folder, &name, &bytes);
        }
        let splits = DataSource::new().folder(folder.path()).load_manifest(&manifest(&[]), |_| None).unwrap();
        assert_eq!((splits.train.labels(), splits.test.pixels()), (&[0, 1][..], &[5, 6][..]));
        assert_eq!(splits.origin, Origin::Folder(folder.path().into()));

        let named = |variable: &str| (variable == "TINY_DIR").then(|| folder.path().into());
        let splits = DataSource::new().load_manifest(&manifest(&[]), named).unwrap();
        assert_eq!(splits.origin.to_string(), format!("folder {} ($TINY_DIR)", folder.path().display()));
        // What is given goes before the variable.
        let given = DataSource::new().folder("/nowhere").load_manifest(&manifest(&[]), named);
        says(given, &["/nowhere", "no such folder"]);
    }
}

#[test]
fn a_named_folder_never_falls_through() {
    let (cache, empty) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::new(Reply::Right);
    let source = DataSource::new().cache(cache.path());
    let manifest = manifest(&[&server.url]);
    let folder = empty.path().to_str().unwrap();

    let result = source.clone().folder(folder).load_manifest(&manifest, |_| None);
    let error = says(result, &[folder, "train-images-idx3-ubyte.gz, train-images-idx3-ubyte, train-images.idx3"]);
    assert!(!error.is_offline());
    let result = source.load_manifest(&manifest, |_| Some("/nowhere".into()));
    says(result, &["/nowhere ($TINY_DIR)", "no such folder", "t10k-labels-idx1-ubyte.gz"]);
    assert_eq!(server.hits(), 0);
    // An empty value counts as unset.
    source.load_manifest(&manifest, |_| Some("".into())).unwrap();

    for (name, bytes) in tiny() {
        put(&empty, &name, &bytes);
    }
    put(&empty, &tiny()[2].0, &idx(&[1, 2, 1], &[5, 6]));
    let result = DataSource::new().folder(folder).load_manifest(&manifest, |_| None);
    says(result, &[folder, "2 x 1", "expected 1 x 2"]);
}

#[test]
fn downloads_are_checked_and_kept() {
    let cache = tempdir().unwrap();
    let server = Server::new(Reply::Right);
    let splits = load(cache.path(), &[&server.url]).unwrap();
    assert_eq!((splits.train.len(), splits.test.len(), server.hits()), (2, 1, 4));
    assert!(splits.origin.to_string().starts_with(&format!("downloaded from {}/t10k-labels", server.url)));
    assert_eq!(cached(&cache).len(), 4, "temporary files remain: {:?}", cached(&cache));

    let splits = load(cache.path(), &[&closed()]).unwrap();
    assert_eq!(splits.origin, Origin::Cache(cache.path().join("tiny")));

    // A wrong file in the cache is fetched again, and it alone; without a network it is refused.
    let wrong = cache.path().join("tiny").join(&tiny()[1].0);
    fs::write(&wrong, gz(&idx(&[2], &[2, 2]))).unwrap();
    assert!(load(cache.path(), &[&closed()]).unwrap_err().is_offline());
    let splits = load(cache.path(), &[&server.url]).unwrap();
    assert_eq!((splits.train.labels(), server.hits()), (&[0, 1][..], 5));
    assert!(matches!(splits.origin, Origin::Downloaded { .. }));
}

#[test]
fn a_mirror_may_end_in_a_slash_and_replaces_the_known_ones() {
    let (right, wrong) = (Server::new(Reply::Right), Server::new(Reply::Status(500)));
    for slash in ["", "/"] {
        let cache = tempdir().unwrap();
        let source = DataSource::new().cache(cache.path()).mirror(format!("{}{slash}", right.url));
        source.load_manifest(&manifest(&[&wrong.url]), |_| None).unwrap();
    }
    assert_eq!((right.hits(), wrong.hits()), (8, 0));
}

#[test]
fn failing_mirrors_are_told() {
    let name = &tiny()[0].0;
    let whole = tiny()[0].1.len() as u64;
    let half = whole / 2;
    let checksum = Failure::Checksum {
        found: sha256(&gz(&idx(&[2, 1, 2], &[9; 4]))),
        expected: manifest(&[]).content.remote_files()[0].sha256.clone(),
    };
    let cases = [
        (Reply::Status(500), Failure::Status(500)),
        (Reply::Status(404), Failure::Status(404)),
        (Reply::Truncate, Failure::Truncated { found: half, expected: Some(whole) }),
        (Reply::Lie, checksum),
        (Reply::HangUp, Failure::Truncated { found: 0, expected: None }),
        (Reply::Announce, Failure::TooLarge { limit: 64 << 20 }),
        (Reply::Flood, Failure::TooLarge { limit: 64 << 20 }),
    ];
    let right = Server::new(Reply::Right);
    for (reply, failure) in cases {
        let (cache, server) = (tempdir().unwrap(), Server::new(reply));
        let url = format!("{}/{name}", server.url);
        let error = says(load(cache.path(), &[&server.url]), &[name, &url, &failure.to_string()]);
        let DataError::Download { attempts, .. } = &error else { panic!("{error}") };
        assert_eq!((attempts.len(), &attempts[0].failure, error.is_offline()), (1, &failure, false));
        assert!(cached(&cache).is_empty(), "a broken download is left: {:?}", cached(&cache));
        // One that answers wrongly and one out of reach: the network is there.
        assert!(!load(cache.path(), &[&server.url, &closed()]).unwrap_err().is_offline());
        // The next mirror helps.
        load(cache.path(), &[&server.url, &right.url]).unwrap();
    }
}

#[test]
fn mirrors_out_of_reach_mean_offline() {
    let cache = tempdir().unwrap();
    let stall = Server::new(Reply::Stall);
    let unknown = "http://no-such-host.invalid";
    let (a, b) = (closed(), closed());
    for mirrors in [&[&*a, &*b][..], &[unknown], &[&stall.url], &[&a, unknown, &stall.url]] {
        let error = says(load(cache.path(), mirrors), mirrors);
        assert!(error.is_offline(), "{error}");
    }
    // No mirror, or no address, is a mistake and no matter of the network.
    assert!(!says(load(cache.path(), &[]), &["0 mirrors"]).is_offline());
    for address in ["", "nonsense", "ftp://127.0.0.1/", "http://"] {
        let error = says(load(cache.path(), &[address]), &["could not download"]);
        assert!(!error.is_offline(), "{error}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let folder = tempdir().unwrap();
    let file = put(&folder, "file", b"");
    let server = Server::new(Reply::Right);
    says(load(&file, &[&server.url]), &["could not write", "file/tiny/train-images-idx3-ubyte.gz"]);
}

#[test]
fn downloads_side_by_side_do_not_disturb_each_other() {
    let cache = tempdir().unwrap();
    let server = Server::new(Reply::Right);
    for _ in 0..8 {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(load(cache.path(), &[&server.url]).unwrap().train.labels(), [0, 1]));
            }
        });
        assert_eq!(cached(&cache).len(), 4);
        fs::write(cache.path().join("tiny").join(&tiny()[3].0), b"half a file").unwrap();
        fs::remove_file(cache.path().join("tiny").join(&tiny()[0].0)).unwrap();
    }
}

#[test]
fn known_datasets_are_told_apart() {
    for (dataset, name, variable, channels) in [
        (KnownDataset::Mnist, "MNIST", "MNIST_DIR", 1),
        (KnownDataset::FashionMnist, "Fashion-MNIST", "FASHION_MNIST_DIR", 1),
        (KnownDataset::Cifar10, "CIFAR-10", "CIFAR10_DIR", 3),
        (KnownDataset::Cifar100, "CIFAR-100", "CIFAR100_DIR", 3),
    ] {
        let manifest = dataset.manifest();
        assert_eq!((dataset.name(), dataset.env_var()), (name, variable));
        assert_eq!((&manifest.name[..], &manifest.env_var[..]), (name, variable));
        assert_eq!([dataset.mean().len(), dataset.std().len()], [channels; 2]);
        let end = if channels == 1 { "-ubyte.gz" } else { "-binary.tar.gz" };
        let files = manifest.content.remote_files();
        assert!(files.iter().all(|file| file.sha256.len() == 64 && file.name.ends_with(end)));
        assert!(manifest.mirrors.iter().all(|url| url.starts_with("http")));
        if let Content::Idx { class_names, .. } = manifest.content {
            let nine = if dataset == KnownDataset::Mnist { "9" } else { "Ankle boot" };
            assert_eq!((class_names.len(), &class_names[9][..]), (10, nine));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The real data, where an environment variable names them

fn real(dataset: KnownDataset) -> Option<PathBuf> {
    let folder = std::env::var_os(dataset.env_var()).map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {} names no folder with {}", dataset.env_var(), dataset.name());
    }
    folder
}

#[test]
fn real_data_have_the_known_checksums_and_moments() {
    for dataset in [KnownDataset::Mnist, KnownDataset::FashionMnist] {
        let Some(folder) = real(dataset) else { continue };
        // As a cache, so that the checksums count.
        let (cache, manifest) = (tempdir().unwrap(), dataset.manifest());
        let place = cache.path().join(manifest.name.to_lowercase());
        fs::create_dir(&place).unwrap();
        for file in manifest.content.remote_files() {
            fs::copy(folder.join(&file.name), place.join(&file.name)).unwrap();
        }
        let source = DataSource::new().cache(cache.path()).mirror(closed());
        let splits = source.load_manifest(&manifest, |_| None).unwrap();
        assert_eq!(splits.origin, Origin::Cache(place));
        assert_eq!((splits.train.len(), splits.test.len(), splits.train.width()), (60_000, 10_000, 28));

        let Statistics { mean, deviation } = splits.train.statistics(&Vec::from_iter(0..60_000));
        let close = |a: f64, b: f64| (a - b).abs() < 1e-4;
        assert!(close(mean[0], dataset.mean()[0]) && close(deviation[0], dataset.std()[0]), "{mean:?} {deviation:?}");
    }
}

#[test]
fn a_real_digit_survives_as_a_picture() {
    let Some(folder) = real(KnownDataset::Mnist) else { return };
    let digits = DataSource::new().folder(folder).load(KnownDataset::Mnist).unwrap().test;
    let (temp, count) = (tempdir().unwrap(), 200);
    let mut total = [0.0; 2];
    for i in 0..count {
        // As it is; and five times as large, dark on light, off the middle.
        let as_is = temp.path().join("as_is.png");
        write_gray_png(&as_is, 28, 28, digits.image(i)).unwrap();
        let large = GrayImage::from_fn(200, 160, |x, y| {
            let (x, y) = (x as usize / 5, y as usize / 5);
            Luma([if x < 28 && y < 28 {
                230 - (u32::from(digits.image(i)[y * 28 + x]) * 200 / 255) as u8
            } else {
                230
            }])
        });
        let path = temp.path().join("large.png");
        large.save(&path).unwrap();
        for (total, path) in total.iter_mut().zip([as_is, path]) {
            let digit = read_digit(path).unwrap();
            let distance = digit.iter().zip(digits.image(i)).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>();
            *total += distance / (28.0 * 28.0) / f64::from(count as u32);
        }
    }
    // Two different digits are some 40 gray levels apart.
    println!("mean distance in gray levels: {total:?}");
    assert!(total[0] < 0.5 && total[1] < 5.0, "{total:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Pictures

/// A vertical bar in a picture of 60 x 90 pixels, off the middle.
fn bar(ink: [u8; 4], paper: [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(60, 90, |x, y| Rgba(if (30..42).contains(&x) && (10..70).contains(&y) { ink } else { paper }))
}

#[test]
fn every_color_type_makes_the_same_digit() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("bar.png");
    let (black, white, clear) = ([0, 0, 0, 255], [255; 4], [0; 4]);
    let mut expected = vec![0_u8; 28 * 28];
    for y in 4..24 {
        expected[y * 28 + 12..y * 28 + 16].fill(255);
    }
    let dark = image::DynamicImage::from(bar(black, white));
    let pictures = [
        dark.clone(),
        bar(white, black).into(),
        bar(black, clear).into(),
        bar([200, 30, 30, 255], [250, 240, 230, 255]).into(),
        bar([90, 90, 90, 255], [220, 220, 220, 255]).into(),
        dark.to_luma8().into(),
        dark.to_luma16().into(),
        dark.to_luma_alpha8().into(),
        dark.to_rgb8().into(),
        dark.to_rgb16().into(),
        dark.to_rgba16().into(),
    ];
    for picture in pictures {
        picture.save(&path).unwrap();
        let digit = read_digit(&path).unwrap();
        assert!(digit == expected, "{:?}", picture.color());
    }
}

#[test]
fn size_and_mass_decide_the_place() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.png");
    let digit = |width: u32, height: u32, ink: &dyn Fn(u32, u32) -> bool| {
        GrayImage::from_fn(width, height, |x, y| Luma([if ink(x, y) { 255 } else { 0 }])).save(&path).unwrap();
        read_digit(&path).unwrap()
    };
    let bounds = |digit: &[u8]| {
        let ink = || (0..28 * 28).filter(|&i| digit[i] > 0);
        let (rows, columns) = (|| ink().map(|i| i / 28), || ink().map(|i| i % 28));
        [rows().min(), rows().max(), columns().min(), columns().max()].map(Option::unwrap)
    };
    // Small is made large, wide stays wide, a point becomes a square, a hair stays.
    assert_eq!(bounds(&digit(9, 9, &|x, y| x == 4 && (2..7).contains(&y))), [4, 23, 12, 15]);
    assert_eq!(bounds(&digit(400, 100, &|x, y| (50..350).contains(&x) && (40..70).contains(&y))), [13, 14, 4, 23]);
    assert_eq!(bounds(&digit(5, 5, &|x, y| (x, y) == (2, 1))), [4, 23, 4, 23]);
    let hair = digit(1_500, 900, &|x, y| x == 700 && (100..800).contains(&y));
    assert_eq!((bounds(&hair)[0], bounds(&hair)[1], hair.iter().max()), (4, 23, Some(&255)));
    // A comb with a far speck weighs so much on the left that only the border of the picture stops it.
    let comb = digit(200, 40, &|x, y| x < 20 || (x, y) == (199, 0) || x > 196 && y < 3);
    assert_eq!(bounds(&comb)[2..], [8, 27]);
    // An L weighs more at its foot, to the left.
    let foot = bounds(&digit(100, 100, &|x, y| {
        (20..80).contains(&y) && (20..30).contains(&x) || (70..80).contains(&y) && (20..80).contains(&x)
    }));
    assert_eq!(foot, [1, 20, 8, 27]);
}

#[test]
fn noise_is_no_ink() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("photo.png");
    let photo = |noise: u32| {
        GrayImage::from_fn(300, 300, |x, y| {
            let ground = if (140..160).contains(&x) && (50..250).contains(&y) { 40 } else { 200 };
            Luma([(ground + (x * 7919 + y * 104_729) % 101 * noise / 100) as u8])
        })
        .save(&path)
        .unwrap();
        read_digit(&path).unwrap()
    };
    let ink = |digit: Vec<u8>| digit.into_iter().map(|v| v > 127).collect::<Vec<_>>();
    assert_eq!(ink(photo(0)), ink(photo(20)));
}

/// The start of a PNG that declares this size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([width, height].map(u32::to_be_bytes).concat());
    chunk.extend([8, 6, 0, 0, 0]);
    let mut crc = Crc::new();
    crc.update(&chunk);
    [b"\x89PNG\r\n\x1a\n\0\0\0\r", &chunk[..], &crc.sum().to_be_bytes(), b"\0\0\x04\0IDAT\x78\x9c"].concat()
}

/// Dark ink on a dim photograph, chalk on a gray board.
#[test]
fn ink_is_on_whichever_side_of_the_paper() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("bar.png");
    let gray = |level: u8| [level, level, level, 255];
    let read = |ink, paper| {
        bar(gray(ink), gray(paper)).save(&path).unwrap();
        read_digit(&path).unwrap()
    };
    let expected = read(0, 255);
    for (ink, paper) in [(20, 120), (250, 140), (0, 127), (255, 128), (200, 100), (60, 150)] {
        assert_eq!(read(ink, paper), expected, "{ink} on {paper}");
    }
}

#[test]
fn wrong_pictures_are_told() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.png");
    says(read_digit(&path), &["could not read", "a.png", "No such file"]);
    says(read_digit(folder.path()), &["could not read"]);
    for bytes in [&b""[..], b"no picture, just text", b"\x89PNG\r\n\x1a\n", &png_header(0, 5), &png_header(20, 20)] {
        put(&folder, "a.png", bytes);
        says(read_digit(&path), &["a.png"]);
    }
    put(&folder, "a.png", b"no picture, just text");
    says(read_digit(&path), &["expected a PNG or JPEG picture"]);
    for (width, height) in [(100_000, 20), (20, 100_000), (16_000, 16_000), (2_000_000_000, 1), (1 << 30, 1 << 30)] {
        put(&folder, "a.png", &png_header(width, height));
        says(read_digit(&path), &["a.png"]);
    }
    put(&folder, "a.png", &png_header(100_000, 20));
    says(read_digit(&path), &["100000 x 20 pixels", "at most 16384 a side"]);
    for paper in [0, 100, 255] {
        write_gray_png(&path, 30, 20, &[paper; 600]).unwrap();
        says(read_digit(&path), &["a.png", "blank", "0 gray levels"]);
    }
    write_gray_png(&path, 1, 1, &[9]).unwrap();
    says(read_digit(&path), &["blank"]);
    // Two specks so far apart that nothing is left of them in 20 pixels.
    let specks =
        GrayImage::from_fn(8_000, 8_000, |x, y| Luma([if x == y && (x == 1 || x == 7_990) { 255 } else { 0 }]));
    specks.save(&path).unwrap();
    says(read_digit(&path), &["blank"]);
    // A picture cut in the middle of its data.
    bar([0, 0, 0, 255], [255; 4]).save(&path).unwrap();
    let png = fs::read(&path).unwrap();
    put(&folder, "a.png", &png[..png.len() / 2]);
    says(read_digit(&path), &["a.png"]);
}

#[test]
fn pictures_are_written_whole() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("new/b.png");
    write_gray_png(&path, 3, 2, &[0, 1, 2, 253, 254, 255]).unwrap();
    let back = image::open(&path).unwrap().into_luma8();
    assert_eq!((back.dimensions(), back.into_raw()), ((3, 2), vec![0, 1, 2, 253, 254, 255]));
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);

    says(write_gray_png(&path, 3, 3, &[0; 8]), &["8 pixels", "1 x 3 x 3"]);
    says(write_gray_png(&path, 0, 3, &[]), &["1 x 3 x 0"]);
    says(write_gray_png(path.join("under_a_file.png"), 1, 1, &[0]), &["could not write", "under_a_file.png"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Folders of pictures

/// Two classes, each of `count` pictures that `draw` makes from class and number, beneath `folder`.
fn put_classes(folder: &Path, classes: &[&str], count: u8, draw: impl Fn(u8, u8) -> DynamicImage) {
    for (class, name) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for i in 0..count {
            draw(class as u8, i).save(folder.join(name).join(format!("{i:03}.png"))).unwrap();
        }
    }
}

/// A gray picture of 3 x 2 pixels (height, width) that tells class and number.
fn marked(class: u8, i: u8) -> DynamicImage {
    GrayImage::from_fn(2, 3, |x, y| Luma([100 * (class % 2) + i + 10 * (x + 2 * y) as u8])).into()
}

fn read_folder(root: &Path, change: impl Fn(&mut ImageFolderConfig)) -> Result<Splits, DataError> {
    let mut config = ImageFolderConfig::default();
    change(&mut config);
    read_image_folder(root, &config)
}

fn whole(splits: &Splits) -> [Option<&LabelledImages>; 3] {
    [Some(&splits.train), splits.validation.as_ref(), Some(&splits.test)]
}

#[test]
fn a_folder_of_pictures_is_split_alike_by_class_and_seed() {
    let root = tempdir().unwrap();
    put_classes(root.path(), &["cat", "ant"], 20, marked);
    let splits = read_folder(root.path(), |_| {}).unwrap();
    assert_eq!(splits.origin, Origin::Folder(root.path().into()));
    assert!(splits.notices.is_empty(), "{:?}", splits.notices);
    let [train, validation, test] = whole(&splits).map(Option::unwrap);
    assert_eq!([train, validation, test].map(|part| part.len()), [32, 4, 4]);
    let mut seen = Vec::new();
    for part in [train, validation, test] {
        assert_eq!((part.channels(), part.height(), part.width()), (1, 3, 2));
        assert_eq!(part.class_names()[..], ["ant", "cat"]);
        let ants = part.labels().iter().filter(|&&label| label == 0).count();
        assert_eq!(2 * ants, part.len());
        for i in 0..part.len() {
            // The class that was written first is the second by name.
            let first = part.image(i)[0];
            assert_eq!(part.label(i), if first < 100 { 1 } else { 0 });
            assert_eq!(part.image(i), [0, 10, 20, 30, 40, 50].map(|step| first + step));
            seen.push(first);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, Vec::from_iter((0..20).chain(100..120)));

    // The same on any number of threads, another with another seed.
    for threads in [1, 2, 5] {
        let again = on_threads(threads, || read_folder(root.path(), |_| {})).unwrap();
        assert_eq!(whole(&again), whole(&splits));
    }
    let other = read_folder(root.path(), |config| config.split.seed = 1).unwrap();
    assert_ne!(other.test, splits.test);
    let parts = |validation, test| {
        let splits = read_folder(root.path(), |config| {
            config.split = SplitConfig { validation, test, seed: 0 };
        });
        splits.map(|splits| whole(&splits).map(|part| part.map_or(0, LabelledImages::len)))
    };
    assert_eq!(parts(0.0, 0.5).unwrap(), [20, 0, 20]);
    assert_eq!(parts(0.45, 0.5).unwrap(), [2, 18, 20]);
    assert_eq!(parts(0.025, 0.075).unwrap(), [36, 1, 3]);
    // A class keeps one picture for training.
    assert_eq!(parts(0.0, 0.99).unwrap(), [2, 0, 38]);
    says(parts(0.01, 0.1), &["a validation share of 0.01 of 40 leaves nothing", "larger"]);
    says(parts(0.1, 0.0), &["test: no pictures"]);
}

#[test]
fn folders_for_the_parts_are_used() {
    let root = tempdir().unwrap();
    put_classes(&root.path().join("train"), &["a", "b"], 10, marked);
    put_classes(&root.path().join("test"), &["b"], 3, marked);
    put(&root, "train/labels.csv", b"x");
    put(&root, "train/.hidden", b"x");
    put(&root, "train/a/.hidden.png", b"x");
    let counts = |splits: &Splits| whole(splits).map(|part| part.map_or(0, LabelledImages::len));
    let splits = read_folder(root.path(), |_| {}).unwrap();
    assert_eq!((counts(&splits), splits.test.labels()), ([18, 2, 3], &[1, 1, 1][..]));
    assert_eq!(splits.test.class_names().len(), 2);
    assert_eq!(splits.notices, ["left out what lies beside the folders of the classes: labels.csv"]);

    put_classes(&root.path().join("val"), &["a", "b"], 2, marked);
    assert_eq!(counts(&read_folder(root.path(), |_| {}).unwrap()), [20, 4, 3]);
    put_classes(&root.path().join("validation"), &["a"], 1, marked);
    assert_eq!(counts(&read_folder(root.path(), |_| {}).unwrap()), [20, 5, 3]);

    // A folder of this name that holds pictures is a class.
    let vehicles = tempdir().unwrap();
    put_classes(vehicles.path(), &["train", "ship"], 10, marked);
    let splits = read_folder(vehicles.path(), |_| {}).unwrap();
    assert_eq!((counts(&splits), &splits.train.class_names()[1][..]), ([16, 2, 2], "train"));
}

#[test]
fn pictures_of_every_type_become_the_same() {
    // Half transparent black on the left, opaque on the right.
    let picture = RgbaImage::from_fn(4, 4, |x, _| Rgba(if x < 2 { [0, 0, 0, 128] } else { [200, 100, 50, 255] }));
    let alpha = DynamicImage::from(picture);
    let flat = DynamicImage::from(image::RgbImage::from_fn(4, 4, |x, _| {
        image::Rgb(if x < 2 { [127; 3] } else { [200, 100, 50] })
    }));
    let color = [alpha.clone(), alpha.to_rgba16().into(), flat.clone(), flat.to_rgb16().into()];
    let gray = [alpha.to_luma_alpha8().into(), alpha.to_luma_alpha16().into()];
    let gray = gray.into_iter().chain([flat.to_luma8().into(), flat.to_luma16().into()]).collect::<Vec<_>>();

    let root = tempdir().unwrap();
    let mut paths = Vec::new();
    for (class, pictures) in [("color", &color[..]), ("gray", &gray)] {
        put_classes(root.path(), &[class], pictures.len() as u8, |_, i| pictures[usize::from(i)].clone());
        paths.push(root.path().join(class).join("000.png").display().to_string());
    }
    // A picture is told by its beginning, not by its name.
    fs::rename(root.path().join("gray/003.png"), root.path().join("gray/003.jpeg")).unwrap();

    says(read_folder(root.path(), |_| {}), &[&paths[0], " has colors, but ", &paths[1], "channels to be given"]);
    let splits = |channels| {
        read_folder(root.path(), |config| {
            config.channels = Some(channels);
            config.split = SplitConfig { validation: 0.0, test: 0.25, seed: 0 };
        })
        .unwrap()
    };
    let near = |found: &[u8], expected: &[u8]| {
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{found:?} {expected:?}");
    };
    let luma = flat.to_luma8().into_raw();
    let planes = |value: fn(usize) -> [u8; 2]| {
        (0..3).flat_map(|c| [value(c)[0], value(c)[0], value(c)[1], value(c)[1]].repeat(4)).collect::<Vec<_>>()
    };
    let planar = planes(|channel| [127, [200, 100, 50][channel]]);
    let splits = [splits(1), splits(3)];
    for part in [&splits[0].train, &splits[0].test] {
        (0..part.len()).for_each(|i| near(part.image(i), &luma));
    }
    for part in [&splits[1].train, &splits[1].test] {
        for i in 0..part.len() {
            let gray: Vec<u8> = luma.repeat(3);
            near(part.image(i), if part.label(i) == 0 { &planar } else { &gray });
        }
    }
}

/// A picture as JPEG, with an EXIF orientation.
fn jpeg(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    picture.write_with_encoder(encoder).unwrap();
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
    let exif = [&exif[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
}

#[test]
fn photographs_are_turned_as_their_exif_data_say() {
    let root = tempdir().unwrap();
    // Bright above; turned clockwise, bright on the right.
    let lying = DynamicImage::from(GrayImage::from_fn(16, 8, |_, y| Luma([if y < 4 { 250 } else { 10 }])));
    for class in ["a", "b"] {
        fs::create_dir(root.path().join(class)).unwrap();
        for i in 0..2 {
            fs::write(root.path().join(class).join(format!("{i}.jpg")), jpeg(&lying, 6)).unwrap();
        }
    }
    let split = SplitConfig { validation: 0.0, test: 0.5, seed: 0 };
    let splits = read_folder(root.path(), |config| config.split = split).unwrap();
    assert_eq!((splits.train.channels(), splits.train.height(), splits.train.width()), (1, 16, 8));
    for row in splits.train.image(0).chunks(8) {
        assert!(row[..4].iter().all(|&v| v < 30) && row[4..].iter().all(|&v| v > 230), "{row:?}");
    }
    fs::write(root.path().join("a/0.jpg"), jpeg(&lying, 1)).unwrap();
    says(read_folder(root.path(), |_| {}), &["different sizes (1 of 8 x 16; 3 of 16 x 8)", "a size to be given"]);
    let splits = read_folder(root.path(), |config| (config.split, config.size) = (split, Some([4, 6]))).unwrap();
    assert_eq!((splits.test.height(), splits.test.width()), (4, 6));
}

#[test]
fn pictures_are_scaled_smoothly() {
    let root = tempdir().unwrap();
    put_classes(root.path(), &["a", "b"], 2, |_, _| {
        GrayImage::from_fn(64, 64, |x, y| Luma([if (x + y) % 2 == 0 { 255 } else { 0 }])).into()
    });
    let splits = read_folder(root.path(), |config| {
        config.size = Some([8, 4]);
        config.split = SplitConfig { validation: 0.0, test: 0.5, seed: 0 };
    });
    let splits = splits.unwrap();
    assert!(splits.test.pixels().iter().all(|v| (120..=135).contains(v)), "{:?}", splits.test.pixels());
}

#[test]
fn files_that_are_no_pictures_are_left_out_and_named() {
    let root = tempdir().unwrap();
    put_classes(root.path(), &["a", "b"], 20, marked);
    for i in 0..4 {
        put(&root, &format!("a/x{i}.png"), b"text");
    }
    put(&root, "b/half.png", &fs::read(root.path().join("b/000.png")).unwrap()[..50]);
    put(&root, "b/huge.png", &png_header(100_000, 20));
    let few = |share| read_folder(root.path(), |config| config.bad_share = share);
    says(
        few(0.01),
        &["5 of 46 files are no pictures", "share of 0.01", "a/x0.png: expected a PNG or JPEG picture", "and 2 more"],
    );
    let splits = few(0.2).unwrap();
    assert_eq!(whole(&splits).map(|part| part.unwrap().len()).iter().sum::<usize>(), 40);
    assert_eq!(splits.notices.len(), 1);
    assert!(splits.notices[0].starts_with("left out 6 of 46 files, which are no pictures: "), "{:?}", splits.notices);

    // One that is too large to be looked at takes the place of another.
    fs::File::create(root.path().join("a/x0.png")).unwrap().set_len(1 << 40).unwrap();
    says(few(0.01), &["a/x0.png: 1099511627776 bytes, expected at most 67108864"]);

    // One that breaks only when it is decoded; its neighbours keep their labels.
    let noise = GrayImage::from_fn(2, 3, |x, y| Luma([(x * 31 + y * 101) as u8]));
    let mut png = Vec::new();
    noise.write_with_encoder(image::codecs::png::PngEncoder::new(&mut png)).unwrap();
    png.truncate(png.len() - 20);
    put(&root, "a/005.png", &png);
    let splits = few(0.2).unwrap();
    assert!(splits.notices[0].starts_with("left out 7 of 46 files"), "{:?}", splits.notices);
    for part in whole(&splits).map(Option::unwrap) {
        (0..part.len()).for_each(|i| assert_eq!(part.label(i), u32::from(part.image(i)[0] >= 100)));
    }
}

#[test]
fn wrong_folders_of_pictures_are_told() {
    let root = tempdir().unwrap();
    let default = || read_folder(root.path(), |_| {});
    says(read_folder(&root.path().join("none"), |_| {}), &["none", "no such folder", "a folder for each class"]);
    says(default(), &["no pictures", "a folder of PNG or JPEG pictures for each class"]);
    put_classes(root.path(), &["a"], 10, marked);
    says(default(), &["the only label is `a`", "at least 2"]);
    put_classes(root.path(), &["b"], 0, marked);
    says(default(), &["class `b` has no training pictures"]);
    put_classes(root.path(), &["b", "c", "d", "e"], 10, marked);
    assert_eq!(default().unwrap().train.classes(), 5);

    let config =
        |change: &dyn Fn(&mut ImageFolderConfig), parts: &[&str]| drop(says(read_folder(root.path(), change), parts));
    config(&|config| config.size = Some([0, 5]), &["size is 0 x 5", "1 to 4096"]);
    config(&|config| config.size = Some([4097, 5]), &["size is 4097 x 5", "1 to 4096"]);
    config(&|config| config.channels = Some(2), &["channels is 2", "1 or 3"]);
    config(&|config| config.bad_share = f64::NAN, &["bad_share is NaN", "0 to 1"]);
    config(&|config| config.split.validation = 1.0, &["split.validation is 1", "less than 1"]);
    config(&|config| config.split.test = -0.1, &["split.test is -0.1", "0 or more"]);
    config(
        &|config| (config.split.validation, config.split.test) = (0.5, 0.5),
        &["split.validation + split.test is 1"],
    );
    config(
        &|config| (config.size, config.channels) = (Some([4096; 2]), Some(3)),
        &["50 x 3 x 4096 x 4096", "at most 2147483648"],
    );

    put_classes(&root.path().join("test"), &["a", "z"], 1, marked);
    says(default(), &["train: no such folder"]);
    put_classes(&root.path().join("train"), &["a", "b", "c", "d", "e"], 10, marked);
    says(default(), &["test/z: a class without training pictures", "one of `a`, `b`, `c`, `d`, `e`"]);
    fs::remove_dir_all(root.path().join("test/z")).unwrap();
    fs::remove_file(root.path().join("test/a/000.png")).unwrap();
    says(default(), &["test: no pictures"]);
    put_classes(&root.path().join("val"), &["a"], 0, marked);
    says(default(), &["validation: no pictures"]);
}

/// A pipe would be waited for for ever.
#[cfg(unix)]
#[test]
fn pipes_and_dead_links_are_no_pictures() {
    let root = tempdir().unwrap();
    put_classes(root.path(), &["a", "b"], 10, marked);
    let pipe = root.path().join("a/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere", root.path().join("a/link.png")).unwrap();
    fs::create_dir(root.path().join("b/folder.png")).unwrap();
    let splits = read_folder(root.path(), |config| config.bad_share = 0.5).unwrap();
    assert!(splits.notices[0].starts_with("left out 3 of 23 files"), "{:?}", splits.notices);
}

#[test]
fn damaged_pictures_are_survived() {
    let root = tempdir().unwrap();
    let noise = |x: u32, y: u32| (x * 7_919 + y * 104_729) as u8;
    let picture = DynamicImage::from(RgbaImage::from_fn(24, 17, |x, y| {
        Rgba([noise(x, y), noise(y, x), noise(x + 1, y), noise(y + 1, x)])
    }));
    put_classes(root.path(), &["a", "b"], 3, |_, _| picture.clone());
    let path = root.path().join("a/000.png");
    let png = fs::read(&path).unwrap();
    let mut read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read_folder(root.path(), |config| {
            (config.bad_share, config.size) = (1.0, Some([5, 5]));
            config.split = SplitConfig { validation: 0.0, test: 0.3, seed: 0 };
        })
    };
    read(&png).unwrap();
    survives(2_000, &png, &mut read);
    survives(2_000, &jpeg(&picture.to_rgb8().into(), 8), &mut read);
    survives(1_000, &jpeg(&picture.to_luma8().into(), 1), &mut read);
}

// ---------------------------------------------------------------------------------------------------------------------
// LIBSVM

#[test]
fn sparse_rows_are_read() {
    let folder = tempdir().unwrap();
    let path = put(&folder, "rows", b"+1 2:1 5:-0.25 # a comment\n\n-1\n0 1:3\n1 5:1e-3\n");
    let rows = read_libsvm(&path).unwrap();
    assert_eq!((rows.len(), rows.features(), rows.labels()), (4, 5, &[true, false, false, true][..]));
    assert_eq!(rows.row(0), (&[1, 4][..], &[1.0, -0.25][..]));
    assert_eq!(rows.row(1), (&[][..], &[][..]));
    assert_eq!(rows.dense(&[2, 0], 5), [3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -0.25]);
    // Test data may have features that the training data lack.
    assert_eq!(rows.dense(&[0, 3], 2), [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn what_is_wrong_in_sparse_rows_is_told() {
    let folder = tempdir().unwrap();
    for (text, parts) in [
        ("+1 1:1\n2 1:1\n", ["line 2", "`2`", "+1, -1 or 0"]),
        ("+1 1=1\n", ["line 1", "`1=1`", "FEATURE:VALUE"]),
        ("+1 1:x\n", ["line 1", "`1:x`", "FEATURE:VALUE"]),
        ("+1 1:nan\n", ["line 1", "`1:nan`", "finite"]),
        ("+1 0:1\n", ["line 1", "`0:1`", "rising"]),
        ("+1 3:1 3:1\n", ["line 1", "`3:1`", "rising"]),
        ("+1 99999999999:1\n", ["line 1", "`99999999999:1`", "16777216"]),
        ("\n# nothing\n", ["rows", "no rows", "at least 1"]),
    ] {
        let path = put(&folder, "rows", text.as_bytes());
        says(read_libsvm(&path), &parts);
        says(read_libsvm(&path), &[&path.display().to_string()]);
    }
    says(read_libsvm(folder.path().join("none")), &["could not read", "none"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Tables

fn records(text: &str) -> Result<Records, DataError> {
    Records::parse(text, "t.csv".as_ref())
}

#[test]
fn delimited_text_is_read() {
    let fields = |text: &str| {
        let records = records(text).unwrap();
        let columns = records.header().len();
        let rows = (0..records.len())
            .map(|row| (0..columns).map(|column| records.field(row, column)).collect::<Vec<_>>().join("|"));
        (records.header().join("|"), rows.collect::<Vec<_>>())
    };
    let expected = || ("a|b|c".to_owned(), vec!["1|x|2".to_owned(), "3||4".to_owned()]);
    for text in [
        "a,b,c\n1,x,2\n3,,4\n",
        "a;b;c\r\n1;x;2\r\n3;;4",
        "a\tb\tc\n1\tx\t2\n\n3\t\t4\n\n",
        "\u{feff}a, b ,c\n 1 , x , 2 \n3, ,4",
        "\"a\",\"b\",c\n1,\"x\",2\n3,\"\",4",
    ] {
        assert_eq!(fields(text), expected(), "{text:?}");
    }
    // What is quoted counts for no delimiter, and may have several lines.
    let (header, rows) = fields("\"a,b,c\";d\n\"1;\n2\";\"\"\"q\"\"\"\n");
    assert_eq!((&header[..], &rows[0][..]), ("a,b,c|d", "1;\n2|\"q\""));
    assert_eq!(fields("a\n1\n"), ("a".into(), vec!["1".into()]));
}

#[test]
fn wrong_text_is_told() {
    says(records(""), &["t.csv: no rows, expected at least 1"]);
    says(records("\n\n"), &["no rows"]);
    says(records("a,b\n"), &["no rows"]);
    for end in ["\n", "\r\n"] {
        let text = ["a,b", "1,2", "", "\"3", "3\",4", "5", ""].join(end);
        says(records(&text), &["t.csv: line 6: 1 fields, expected 2"]);
    }
    says(records("a,b\n1,2,3\n"), &["line 2: 3 fields, expected 2"]);
    says(records("a,b,a\n1,2,3\n"), &["two columns are named `a`"]);
    says(
        records(&format!("{}\n", Vec::from_iter((0..1_100_000).map(|i| i.to_string())).join(","))),
        &["1100000 columns", "at most 1048576"],
    );
    let folder = tempdir().unwrap();
    says(read_records(put(&folder, "t.csv", b"a,b\n1,2\n3,\xff\n")), &["t.csv: line 3 is no UTF-8"]);
    says(read_records(put(&folder, "t.csv", b"\xff\xfea\0")), &["line 1 is no UTF-8"]);
    says(read_records(folder.path().join("none")), &["could not read", "none"]);
    let path = folder.path().join("large.csv");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    says(read_records(path), &["large.csv: 1099511627776 bytes, expected at most 268435456"]);
}

/// 40 rows of a number with gaps, a color, a constant, a number without gaps and a label.
fn fruits() -> String {
    let rows = (0..40).map(|i| {
        let size = if i % 5 == 4 { "NA".to_owned() } else { (i % 7).to_string() };
        format!("{size},{},same,{}e-1,{}\n", ["red", "green", ""][i % 3], i * i, ["ripe", "raw"][i % 2])
    });
    format!("size,color,constant,weight,state\n{}", rows.collect::<String>())
}

fn table(text: &str, change: impl Fn(&mut TableConfig)) -> Result<Table, DataError> {
    let folder = tempdir().unwrap();
    let mut config = TableConfig::new("state");
    change(&mut config);
    read_table(put(&folder, "t.csv", text.as_bytes()), &config)
}

#[test]
fn a_table_is_encoded_by_what_training_knows() {
    // Training is this file; two more rows are for testing.
    let folder = tempdir().unwrap();
    let test = put(&folder, "test.csv", b"state,color,weight,extra,size\nraw,blue,1,x,?\nripe,red,-3,y,4\n");
    let train = "size,color,constant,weight,state\n1,red,k,0,ripe\nNA,green,k,2,raw\n4,red,k,4,raw\n2,,k,2,raw\n";
    let table = table(train, |config| {
        config.test = Some(test.clone());
        config.split.validation = 0.0;
    })
    .unwrap();
    let deviation = f64::sqrt(14.0 / 9.0);
    let number = |name: &str, encoding| ColumnSchema { name: name.into(), encoding };
    let schema = TableSchema {
        columns: vec![
            number("size", Encoding::Number { mean: 7.0 / 3.0, deviation, fill: 2.0, indicator: true }),
            number("color", Encoding::Category { values: vec!["".into(), "green".into(), "red".into()] }),
            number("weight", Encoding::Number { mean: 2.0, deviation: f64::sqrt(2.0), fill: 2.0, indicator: false }),
        ],
        label: "state".into(),
        labels: LabelSchema::Classes { names: vec!["raw".into(), "ripe".into()] },
        missing: vec!["".into(), "NA".into(), "?".into(), "nan".into()],
    };
    let mut expected = schema.clone();
    // The empty string is missing and no category.
    expected.columns[1].encoding = Encoding::Category { values: vec!["green".into(), "red".into()] };
    assert_eq!(table.schema, expected);
    let size = |x: f64| ((x - 7.0 / 3.0) / deviation) as f32;
    let weight = |x: f64| ((x - 2.0) / f64::sqrt(2.0)) as f32;
    let train = [
        [size(1.0), 0.0, 0.0, 1.0, weight(0.0)],
        [size(2.0), 1.0, 1.0, 0.0, weight(2.0)],
        [size(4.0), 0.0, 0.0, 1.0, weight(4.0)],
        [size(2.0), 0.0, 0.0, 0.0, weight(2.0)],
    ];
    assert_eq!((table.train.features.as_chunks().0, table.train.rows, table.train.columns), (&train[..], 4, 5));
    assert_eq!(table.train.targets, Targets::Classes(vec![1, 0, 0, 0]));
    let test = [[size(2.0), 1.0, 0.0, 0.0, weight(1.0)], [size(4.0), 0.0, 0.0, 1.0, weight(-3.0)]];
    assert_eq!((table.test.features.as_chunks().0, table.test.rows), (&test[..], 2));
    assert_eq!(table.test.targets, Targets::Classes(vec![0, 1]));
    assert!(table.validation.is_none());
    let unseen = "test rows: column `color`: 1 value that training never saw, such as `blue`";
    assert_eq!(table.notices, ["left out column `constant`, which is constant in training", unseen]);

    // The schema is kept as JSON, and encodes new rows without labels.
    let json = serde_json::to_string(&table.schema).unwrap();
    let kept: TableSchema = serde_json::from_str(&json).unwrap();
    let rows = kept.encode(&records("weight,size,color\n1,,blue\n-3,4,red\n").unwrap()).unwrap();
    assert_eq!((rows.features.as_chunks().0, rows.rows, rows.columns), (&test[..], 2, 5));
    assert_eq!(rows.notices.len(), 1);
    assert_eq!(kept.feature_names(), ["size", "size is missing", "color = green", "color = red", "weight"]);
}

#[test]
fn tables_are_split_alike_by_class_and_seed() {
    let read = |change: &dyn Fn(&mut TableConfig)| table(&fruits(), change).unwrap();
    let usual = read(&|_| {});
    let parts = [&usual.train, usual.validation.as_ref().unwrap(), &usual.test];
    assert_eq!(parts.map(|part| part.rows), [32, 4, 4]);
    for part in parts {
        let Targets::Classes(labels) = &part.targets else { panic!() };
        assert_eq!(2 * labels.iter().sum::<u32>() as usize, part.rows);
        assert_eq!(part.features.len(), part.rows * part.columns);
        assert!(part.features.iter().all(|x| x.is_finite()));
    }
    assert_eq!(read(&|_| {}), usual);
    assert_ne!(read(&|config| config.split.seed = 1).test, usual.test);

    // Numbers that are names of categories, and columns that say nothing.
    let table = read(&|config| {
        config.categorical = vec!["size".into()];
        config.ignored = vec!["weight".into(), "color".into()];
    });
    assert_eq!(table.schema.columns.len(), 1);
    assert!(matches!(&table.schema.columns[0].encoding, Encoding::Category { values } if values.len() == 7));
}

#[test]
fn regression_targets_are_standardized() {
    let text: String = (0..50).map(|i| format!("{},{}\n", i % 11, 1_600_000_000 + 3 * i)).collect();
    let table =
        table(&format!("x,y\n{text}"), |config| (config.label, config.task) = ("y".into(), TableTask::Number)).unwrap();
    let LabelSchema::Number { mean, deviation } = table.schema.labels else { panic!() };
    let (Targets::Numbers(train), Targets::Numbers(test)) = (&table.train.targets, &table.test.targets) else {
        panic!()
    };
    assert_eq!((train.len(), test.len()), (40, 5));
    let mean_of = |f: &dyn Fn(f64) -> f64| train.iter().map(|&y| f(f64::from(y))).sum::<f64>() / 40.0;
    assert!(mean_of(&|y| y).abs() < 1e-6 && (mean_of(&|y| y * y) - 1.0).abs() < 1e-6);
    // Small differences of large numbers survive.
    let ys = train.iter().chain(test).map(|&y| (f64::from(y) * deviation + mean - 1.6e9) / 3.0);
    assert!(ys.into_iter().all(|y| (y - y.round()).abs() < 1e-3));
}

#[test]
fn extreme_numbers_stay_finite() {
    let mut text = "a,b,c,state\n".to_owned();
    for i in 0..40 {
        text += &format!(
            "{},{},{},{}\n",
            [3.4e38, -3.4e38][i % 2],
            i as f64 * 1e-320,
            if i == 7 { "1" } else { "1.0" },
            i % 3
        );
    }
    let table = table(&text, |_| {}).unwrap();
    assert!(table.train.features.iter().chain(&table.test.features).all(|x| x.is_finite()));
    // Their squares vanish, so they count as constant.
    assert_eq!(table.notices.len(), 2, "{:?}", table.notices);
    let schema = TableSchema {
        columns: vec![ColumnSchema {
            name: "a".into(),
            encoding: Encoding::Number { mean: 0.0, deviation: 1e-300, fill: 0.0, indicator: false },
        }],
        ..table.schema
    };
    assert_eq!(schema.encode(&records("a\n1e38\n-1e38\n").unwrap()).unwrap().features, [f32::MAX, f32::MIN]);
}

#[test]
fn wrong_tables_are_told() {
    let right = fruits();
    let wrong = |text: &str, parts: &[&str]| drop(says(table(text, |_| {}), parts));
    let with = |change: &dyn Fn(&mut TableConfig), parts: &[&str]| drop(says(table(&right, change), parts));
    let known = "expected one of `size`, `color`, `constant`, `weight`, `state`";
    with(&|config| config.label = "price".into(), &["t.csv: no column `price`", known]);
    with(&|config| config.categorical = vec!["shape".into()], &["no column `shape`", known]);
    with(&|config| config.ignored = vec!["shape".into()], &["no column `shape`", known]);
    with(&|config| config.split.test = 2.0, &["split.test is 2", "less than 1"]);
    with(&|config| config.split.test = 0.0, &["a test share of 0 of 40 leaves nothing"]);
    with(&|config| config.split.validation = 0.001, &["a validation share of 0.001 of 40 leaves nothing"]);
    with(&|config| config.task = TableTask::Number, &["line 2: column `state` is `ripe`, expected a finite number"]);
    with(&|config| config.test = Some("none.csv".into()), &["could not read none.csv"]);
    with(
        &|config| config.ignored = ["size", "color", "weight"].map(String::from).into(),
        &["no column to learn from", "beside the label `state`"],
    );

    wrong("x,state\n1,a\n2,\n3,b\n", &["line 3: column `state` is ``, expected a label"]);
    wrong("x,state\n1,a\n2,na\n3,b\n", &["line 3: column `state` is `na`, expected a label"]);
    let rows = |row: &dyn Fn(usize) -> String| format!("x,state\n{}", (0..1_500).map(row).collect::<String>());
    wrong(&rows(&|i| format!("{i},a\n")), &["the only label is `a`, expected at least 2"]);
    wrong(&rows(&|i| format!("name {i},{}\n", i % 2)), &["column `x` has more than 1000 different values"]);
    wrong(&rows(&|i| format!("{},{i}\n", i % 2)), &["column `state` has more than 1000 different values"]);
    wrong(
        &rows(&|i| format!("{},{}\n", if i % 10 == 9 { "1e999" } else { "1" }, i % 2)),
        &["column `x` is `1e999`, expected a finite number"],
    );
    wrong(
        &rows(&|i| format!("{},{}\n", if i % 10 == 9 { "-inf" } else { "1" }, i % 2)),
        &["column `x` is `-inf`, expected a finite number"],
    );
    wrong("x,state\n", &["t.csv: no rows"]);
    let constant = |config: &mut TableConfig| (config.label, config.task) = ("y".into(), TableTask::Number);
    says(
        table(&format!("x,y\n{}", (0..20).map(|i| format!("{i},3\n")).collect::<String>()), constant),
        &["the only label is `3`"],
    );

    let folder = tempdir().unwrap();
    let test = |text: &str, parts: &[&str]| {
        let test = put(&folder, "test.csv", text.as_bytes());
        with(&|config| config.test = Some(test.clone()), parts);
    };
    let header = "size,color,weight,state";
    test("size,color,state\n1,red,raw\n", &["test.csv: no column `weight`, expected one of `size`, `color`, `state`"]);
    test("size,color,weight\n1,red,1\n", &["test.csv: no column `state`"]);
    test(
        &format!("{header}\n1,red,1,raw\n1,red,1,rotten\n"),
        &["test.csv: line 3: column `state` is `rotten`, expected a class that is among the training rows"],
    );
    test(&format!("{header}\n1,red,1,?\n"), &["test.csv: line 2: column `state` is `?`, expected a label"]);
    test(
        &format!("{header}\n1,red,heavy,raw\n"),
        &["test.csv: line 2: column `weight` is `heavy`, expected a finite number"],
    );
    test(&format!("{header}\n1,red,\"a\nb\",raw\n"), &["column `weight` is `a\\nb`"]);
}

#[test]
fn damaged_tables_are_survived() {
    let folder = tempdir().unwrap();
    let text = fruits();
    let classes = TableConfig::new("state");
    survives(2_000, text.as_bytes(), |bytes| read_table(put(&folder, "t.csv", bytes), &classes));
    let number = TableConfig { task: TableTask::Number, ..TableConfig::new("weight") };
    survives(2_000, text.replace(',', ";").as_bytes(), |bytes| read_table(put(&folder, "t.csv", bytes), &number));
    let schema = read_table(put(&folder, "t.csv", text.as_bytes()), &classes).unwrap().schema;
    survives(1_000, text.as_bytes(), |bytes| {
        read_records(put(&folder, "t.csv", bytes)).and_then(|records| schema.encode(&records))
    });
}

#[test]
fn configurations_are_kept_as_json() {
    let config: TableConfig =
        serde_json::from_str(r#"{"label": "y", "task": "number", "split": {"seed": 3}}"#).unwrap();
    let split = SplitConfig { seed: 3, ..SplitConfig::default() };
    assert_eq!(config, TableConfig { task: TableTask::Number, split, ..TableConfig::new("y") });
    let config: ImageFolderConfig = serde_json::from_str(r#"{"size": [32, 48]}"#).unwrap();
    assert_eq!(config, ImageFolderConfig { size: Some([32, 48]), ..ImageFolderConfig::default() });
    assert!(serde_json::from_str::<ImageFolderConfig>(r#"{"sise": [32, 48]}"#).is_err());
}
