//! Weights for other programs.

use super::{Run, TrainError, files};
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Selects how exported weights are named and laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightLayout {
    /// Selects PyTorch's: a dense layer's weights are `[outputs, inputs]`, and those of normalization are called `weight`
    /// and `bias`.
    #[default]
    PyTorch,
    /// Selects Burn's: a dense layer's weights are `[inputs, outputs]`, and those of normalization are called `gamma` and
    /// `beta`.
    Burn,
}

impl WeightLayout {
    const ALL: [Self; 2] = [Self::PyTorch, Self::Burn];
}

impl fmt::Display for WeightLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "pytorch",
            Self::Burn => "burn",
        })
    }
}

impl FromStr for WeightLayout {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        let known = Self::ALL.into_iter().find(|layout| layout.to_string() == name);
        known.ok_or_else(|| TrainError::unknown("layout", name, Self::ALL.map(|layout| layout.to_string())))
    }
}

impl Run {
    /// Writes the kept weights of each of the run's networks as a safetensors file, and returns the files: beside the
    /// weights in the run's folder, or at `path`, to whose name those of an ensemble have a number added. What is needed
    /// to use them, such as the network's configuration, the classes and the normalization of the inputs, is in the
    /// file's metadata as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no kept weights, or a file cannot be written.
    pub fn export(&self, path: Option<&Path>, layout: WeightLayout) -> Result<Vec<PathBuf>, TrainError> {
        let (_, device) = self.config().backend.device()?;
        let data = self.data()?;
        let networks = self.ensemble(&data, &device)?.into_members();
        let several = networks.len() > 1;
        let json = |value: serde_json::Result<String>| value.map_err(|error| TrainError::Stopped(error.to_string()));
        let metadata = [
            ("run", self.name().to_owned()),
            ("layout", layout.to_string()),
            ("network", json(serde_json::to_string(&self.config().model))?),
            ("data", json(serde_json::to_string(&data))?),
        ];
        let mut written = Vec::new();
        for (index, network) in networks.into_iter().enumerate() {
            let path = match path {
                Some(path) if several => numbered(path, index + 1),
                Some(path) => path.to_owned(),
                None => self.weights(index).with_extension("safetensors"),
            };
            let store = SafetensorsStore::from_bytes(None).skip_enum_variants(true);
            let store = metadata.iter().fold(store, |store, (key, value)| store.metadata(*key, value));
            let mut store = match layout {
                WeightLayout::PyTorch => store.with_to_adapter(BurnToPyTorchAdapter),
                WeightLayout::Burn => store,
            };
            let unwritable = |error: burn_store::SafetensorsStoreError| {
                TrainError::io("write", &path)(std::io::Error::other(error.to_string()))
            };
            network.save_into(&mut store).map_err(unwritable)?;
            files::write_atomic(&path, &store.get_bytes().map_err(unwritable)?)?;
            written.push(path);
        }
        Ok(written)
    }
}

/// `weights.safetensors` as `weights-2.safetensors`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |extension| format!(".{}", extension.to_string_lossy()));
    path.with_file_name(format!("{stem}-{number}{extension}"))
}
