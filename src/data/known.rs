//! The published data sets: their files, checksums and mirrors.

/// Names a published data set of 60,000 training and 10,000 test images of 28 x 28 gray levels, in 10 classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownDataset {
    /// Stands for MNIST: handwritten digits (LeCun, Cortes and Burges, 1998).
    Mnist,
    /// Stands for Fashion-MNIST: articles of clothing (Xiao, Rasul and Vollgraf, 2017).
    FashionMnist,
}

impl KnownDataset {
    /// Returns the name for people: `MNIST` or `Fashion-MNIST`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
        }
    }

    /// Returns the environment variable that may name a folder with the files.
    pub fn env_var(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST_DIR",
            Self::FashionMnist => "FASHION_MNIST_DIR",
        }
    }

    /// Returns the mean of the training pixels, scaled to 0 to 1.
    pub fn mean(self) -> f64 {
        match self {
            Self::Mnist => 0.1307,
            Self::FashionMnist => 0.2860,
        }
    }

    /// Returns the standard deviation of the training pixels, scaled to 0 to 1.
    pub fn std(self) -> f64 {
        match self {
            Self::Mnist => 0.3081,
            Self::FashionMnist => 0.3530,
        }
    }

    /// Returns the manifest of the data set: the files, their checksums and where they are offered.
    pub fn manifest(self) -> Manifest {
        let (sha256, mirrors): ([&str; 4], &[&str]) = match self {
            Self::Mnist => (
                [
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ],
                &[
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ],
            ),
            Self::FashionMnist => (
                [
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ],
                &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
            ),
        };
        let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
        Manifest {
            name: self.name().into(),
            env_var: self.env_var().into(),
            classes: 10,
            files: std::array::from_fn(|i| RemoteFile {
                name: format!("{}-ubyte.gz", files[i]),
                sha256: sha256[i].into(),
            }),
            mirrors: mirrors.iter().map(|&url| url.into()).collect(),
        }
    }
}

/// Describes one gzipped IDX file that mirrors offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Gives the name of the file on the mirror and in the cache.
    pub name: String,
    /// Gives the SHA-256 of the gzipped file, 64 lowercase hexadecimal digits.
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
    /// Gives the number of classes, which every label is below.
    pub classes: u8,
    /// Lists the files of the training images, the training labels, the test images and the test labels, in this order.
    pub files: [RemoteFile; 4],
    /// Lists the addresses of folders with the files, in the order in which they are tried.
    pub mirrors: Vec<String>,
}
