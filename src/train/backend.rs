use super::TrainError;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which backend runs a network, chosen at run time among those compiled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// CUDA or a hardware GPU if compiled in and present, else flex.
    #[default]
    Auto,
    /// Burn's CPU backend.
    Flex,
    /// The CPU backend on the ndarray crate.
    NdArray,
    /// A GPU by Vulkan, Metal or DirectX 12. By this name, a software Vulkan device will do.
    Wgpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Backend {
    const ALL: [Self; 5] = [Self::Auto, Self::Flex, Self::NdArray, Self::Wgpu, Self::Cuda];

    /// The backend that this choice comes to, and its device.
    ///
    /// # Errors
    ///
    /// If the backend is not compiled in or there is no such device.
    pub fn device(self) -> Result<(Self, Device), TrainError> {
        match self {
            Self::Auto => Self::automatic(),
            Self::Flex => flex(),
            Self::NdArray => ndarray(),
            Self::Wgpu => wgpu(),
            Self::Cuda => cuda(),
        }
    }

    fn automatic() -> Result<(Self, Device), TrainError> {
        if let Ok(found) = cuda() {
            return Ok(found);
        }
        if let Some(device) = hardware_gpu() {
            return Ok((Self::Wgpu, device));
        }
        flex().or_else(|_| ndarray())
    }

    /// The Cargo feature that compiles the backend in.
    fn missing(self) -> TrainError {
        TrainError::BackendNotCompiled { backend: self }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        })
    }
}

impl FromStr for Backend {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        let known = Self::ALL.iter().find(|backend| backend.to_string() == name);
        known.copied().ok_or_else(|| TrainError::unknown("backend", name, Self::ALL.map(|backend| backend.to_string())))
    }
}

fn flex() -> Result<(Backend, Device), TrainError> {
    #[cfg(feature = "flex")]
    return Ok((Backend::Flex, Device::flex()));
    #[cfg(not(feature = "flex"))]
    Err(Backend::Flex.missing())
}

#[allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.
fn ndarray() -> Result<(Backend, Device), TrainError> {
    #[cfg(feature = "ndarray")]
    return Ok((Backend::NdArray, Device::ndarray()));
    #[cfg(not(feature = "ndarray"))]
    Err(Backend::NdArray.missing())
}

fn wgpu() -> Result<(Backend, Device), TrainError> {
    #[cfg(feature = "wgpu")]
    return first_device(burn::tensor::DeviceType::Wgpu)
        .map(|device| (Backend::Wgpu, device))
        .ok_or(TrainError::NoDevice { backend: Backend::Wgpu });
    #[cfg(not(feature = "wgpu"))]
    Err(Backend::Wgpu.missing())
}

fn cuda() -> Result<(Backend, Device), TrainError> {
    #[cfg(feature = "cuda")]
    return first_device(burn::tensor::DeviceType::Cuda)
        .map(|device| (Backend::Cuda, device))
        .ok_or(TrainError::NoDevice { backend: Backend::Cuda });
    #[cfg(not(feature = "cuda"))]
    Err(Backend::Cuda.missing())
}

/// The first device of a kind that opens. Drivers that are absent or broken make Burn panic; that counts as none.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn first_device(kind: burn::tensor::DeviceType) -> Option<Device> {
    quietly(|| {
        let devices = Device::enumerate(kind).into_vec();
        devices.into_iter().find(|device| device.identity().is_some())
    })
}

/// The first GPU that is a real card, if any.
fn hardware_gpu() -> Option<Device> {
    #[cfg(feature = "wgpu")]
    return quietly(|| {
        let devices = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
        devices.into_iter().find(|device| device.identity().is_some_and(|identity| identity.physical.is_some()))
    });
    #[cfg(not(feature = "wgpu"))]
    None
}

/// Runs `find`; a panic inside counts as nothing found and prints nothing.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn quietly<T>(find: impl FnOnce() -> Option<T> + std::panic::UnwindSafe) -> Option<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = std::panic::catch_unwind(find);
    std::panic::set_hook(hook);
    found.ok().flatten()
}
