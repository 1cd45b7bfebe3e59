use super::TrainError;
use burn::tensor::Device;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use burn::tensor::DeviceType;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Selects, at run time, which of the backends that are compiled in runs a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Selects CUDA or a hardware GPU if compiled in and present, else flex, or ndarray where flex is not compiled in.
    #[default]
    Auto,
    /// Selects flex, Burn's CPU backend.
    Flex,
    /// Selects the CPU backend on the ndarray crate.
    NdArray,
    /// Selects a GPU by Vulkan, Metal or DirectX 12. By this name, a software Vulkan device will do.
    Wgpu,
    /// Selects an NVIDIA GPU by CUDA.
    Cuda,
}

impl Backend {
    const ALL: [Self; 5] = [Self::Auto, Self::Flex, Self::NdArray, Self::Wgpu, Self::Cuda];

    /// Returns the backend that this choice comes to, and its device.
    ///
    /// # Errors
    ///
    /// Returns an error if the backend is not compiled in or there is no such device.
    pub fn device(self) -> Result<(Self, Device), TrainError> {
        if self == Self::Auto {
            return Self::automatic();
        }
        let open = self.opener().ok_or(TrainError::BackendNotCompiled { backend: self })?;
        let device = open().ok_or(TrainError::NoDevice { backend: self })?;
        Ok((self, device))
    }

    fn automatic() -> Result<(Self, Device), TrainError> {
        if let Ok(found) = Self::Cuda.device() {
            return Ok(found);
        }
        if let Some(device) = hardware_gpu() {
            return Ok((Self::Wgpu, device));
        }
        Self::Flex.device().or_else(|_| Self::NdArray.device())
    }

    /// What opens the backend's first device, if the backend is compiled in.
    #[allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.
    fn opener(self) -> Option<fn() -> Option<Device>> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Some(|| Some(Device::flex())),
            #[cfg(feature = "ndarray")]
            Self::NdArray => Some(|| Some(Device::ndarray())),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Some(|| first_device(DeviceType::Wgpu, |device| device.identity().is_some())),
            #[cfg(feature = "cuda")]
            Self::Cuda => Some(|| first_device(DeviceType::Cuda, |device| device.identity().is_some())),
            _ => None,
        }
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

/// The first GPU that is a real card, if any.
fn hardware_gpu() -> Option<Device> {
    #[cfg(feature = "wgpu")]
    return first_device(DeviceType::Wgpu, |device| {
        device.identity().is_some_and(|identity| identity.physical.is_some())
    });
    #[cfg(not(feature = "wgpu"))]
    None
}

/// Whether a device is apart from the processor, so that data are taken to it.
pub(super) fn is_apart(device: &Device) -> bool {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return device.identity().is_some();
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        let _ = device;
        false
    }
}

/// The first device of a kind that is `wanted`, which may open it. Drivers that are absent or broken make Burn panic;
/// that counts as none, and prints nothing.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn first_device(kind: DeviceType, wanted: fn(&Device) -> bool) -> Option<Device> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = std::panic::catch_unwind(|| {
        let devices = Device::enumerate(kind).into_vec();
        devices.into_iter().find(wanted)
    });
    std::panic::set_hook(hook);
    found.ok().flatten()
}
