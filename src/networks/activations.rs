use burn::tensor::Tensor;

/// What the hidden layers of a network put out in a pass, where somebody wants it.
pub(crate) struct Activations(Option<Vec<Tensor<2>>>);

impl Activations {
    /// Keeps them, or nothing.
    pub(crate) fn kept(keep: bool) -> Self {
        Self(keep.then(Vec::new))
    }

    /// Takes note of those of the next layer, `[batch, …]`.
    pub(super) fn add<const D: usize>(&mut self, layer: &Tensor<D>) {
        if let Some(layers) = &mut self.0 {
            let batch = layer.dims()[0] as i32;
            layers.push(layer.clone().reshape([batch, -1]));
        }
    }

    /// Gives them, each `[batch, values]`.
    pub(crate) fn into_layers(self) -> Vec<Tensor<2>> {
        self.0.unwrap_or_default()
    }
}
