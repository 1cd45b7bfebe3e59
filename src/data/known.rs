//! The published data sets: their files, checksums and mirrors.

use super::cifar::CifarFormat;
use super::images::numbered;
use std::sync::Arc;

/// Names a published data set.
///
/// | data set | training and test images | channels, rows and columns | classes |
/// | --- | --- | --- | --- |
/// | MNIST, Fashion-MNIST | 60,000 and 10,000 | 1 x 28 x 28 | 10 |
/// | CIFAR-10 | 50,000 and 10,000 | 3 x 32 x 32 | 10 |
/// | CIFAR-100 | 50,000 and 10,000 | 3 x 32 x 32 | 100 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownDataset {
    /// Stands for MNIST: handwritten digits (LeCun, Cortes and Burges, 1998).
    Mnist,
    /// Stands for Fashion-MNIST: articles of clothing (Xiao, Rasul and Vollgraf, 2017).
    FashionMnist,
    /// Stands for CIFAR-10: small color photographs of animals and vehicles (Krizhevsky, 2009).
    Cifar10,
    /// Stands for CIFAR-100: small color photographs in 100 fine classes (Krizhevsky, 2009).
    Cifar100,
}

impl KnownDataset {
    /// Returns the name for people: `MNIST`, `Fashion-MNIST`, `CIFAR-10` or `CIFAR-100`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
            Self::Cifar10 => "CIFAR-10",
            Self::Cifar100 => "CIFAR-100",
        }
    }

    /// Returns the environment variable that may name a folder with the files.
    pub fn env_var(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST_DIR",
            Self::FashionMnist => "FASHION_MNIST_DIR",
            Self::Cifar10 => "CIFAR10_DIR",
            Self::Cifar100 => "CIFAR100_DIR",
        }
    }

    /// Returns the mean of each channel of the training images, scaled to 0 to 1.
    pub fn mean(self) -> &'static [f64] {
        match self {
            Self::Mnist => &[0.1307],
            Self::FashionMnist => &[0.2860],
            Self::Cifar10 => &[0.4914, 0.4822, 0.4465],
            Self::Cifar100 => &[0.5071, 0.4865, 0.4409],
        }
    }

    /// Returns the standard deviation of each channel of the training images, scaled to 0 to 1.
    pub fn std(self) -> &'static [f64] {
        match self {
            Self::Mnist => &[0.3081],
            Self::FashionMnist => &[0.3530],
            Self::Cifar10 => &[0.2470, 0.2435, 0.2616],
            Self::Cifar100 => &[0.2673, 0.2564, 0.2762],
        }
    }

    /// Returns the manifest of the data set: the files, their checksums and where they are offered.
    pub fn manifest(self) -> Manifest {
        let (content, mirrors): (Content, &[&str]) = match self {
            Self::Mnist => (
                Content::idx(
                    [
                        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    ],
                    numbered(0..10),
                ),
                &[
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ],
            ),
            Self::FashionMnist => (
                Content::idx(
                    [
                        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    ],
                    FASHION.map(String::from).into(),
                ),
                &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
            ),
            Self::Cifar10 => (
                Content::Cifar {
                    format: CifarFormat::Cifar10,
                    archive: RemoteFile {
                        name: "cifar-10-binary.tar.gz".into(),
                        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".into(),
                    },
                },
                &["https://www.cs.toronto.edu/~kriz/"],
            ),
            Self::Cifar100 => (
                Content::Cifar {
                    format: CifarFormat::Cifar100,
                    archive: RemoteFile {
                        name: "cifar-100-binary.tar.gz".into(),
                        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec".into(),
                    },
                },
                &["https://www.cs.toronto.edu/~kriz/"],
            ),
        };
        Manifest {
            name: self.name().into(),
            env_var: self.env_var().into(),
            content,
            mirrors: mirrors.iter().map(|&url| url.into()).collect(),
        }
    }
}

/// The names of Fashion-MNIST's classes, as its authors have them.
const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// Describes one file that mirrors offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Gives the name of the file on the mirror and in the cache.
    pub name: String,
    /// Gives the SHA-256 of the file as it is offered, gzipped, 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// Describes a data set for [`DataSource`](super::DataSource): its files and where they are offered.
/// [`KnownDataset::manifest`] has it for the known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Gives the name for people; in lower case, it is that of the folder in the cache.
    pub name: String,
    /// Names the environment variable that may name a folder with the files.
    pub env_var: String,
    /// Says which files there are, and what is in them.
    pub content: Content,
    /// Lists the addresses of folders with the files, in the order in which they are tried.
    pub mirrors: Vec<String>,
}

/// Says in which files a data set comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Stands for four gzipped IDX files.
    Idx {
        /// Lists the files of the training images, the training labels, the test images and the test labels, in this
        /// order.
        files: [RemoteFile; 4],
        /// Gives the names of the classes; every label is below their number.
        class_names: Arc<[String]>,
    },
    /// Stands for a gzipped archive of CIFAR's binary files.
    Cifar {
        /// Selects the form of the files.
        format: CifarFormat,
        /// Describes the archive.
        archive: RemoteFile,
    },
}

impl Content {
    fn idx(sha256: [&str; 4], class_names: Arc<[String]>) -> Self {
        let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
        let file = |i: usize| RemoteFile { name: format!("{}-ubyte.gz", names[i]), sha256: sha256[i].into() };
        Self::Idx { files: std::array::from_fn(file), class_names }
    }

    /// Returns the files that mirrors offer.
    pub fn remote_files(&self) -> &[RemoteFile] {
        match self {
            Self::Idx { files, .. } => files,
            Self::Cifar { archive, .. } => std::slice::from_ref(archive),
        }
    }

    /// The most bytes of a file to download, well above the largest: 26 MB, and 170 MB.
    pub(super) fn limit(&self) -> u64 {
        match self {
            Self::Idx { .. } => 64 << 20,
            Self::Cifar { .. } => 256 << 20,
        }
    }
}
