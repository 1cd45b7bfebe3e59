//! RandAugment and TrivialAugment: changes of an image that are drawn from fourteen.

use super::Transform;
use super::picture::Tone;
use super::transform::MOST_MAGNITUDE;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// One change that a policy makes of an image, with torchvision's signs and centres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// Moves each row to the left by this share of its distance from the top edge.
    ShearX(f64),
    /// Moves each column up by this share of its distance from the left edge.
    ShearY(f64),
    /// Moves the image to the right by whole pixels.
    TranslateX(f64),
    /// Moves the image down by whole pixels.
    TranslateY(f64),
    /// Rotates the image counterclockwise by degrees.
    Rotate(f64),
    Tone(Tone),
}

/// What the strongest changes come to.
struct Strongest {
    shear: f64,
    /// Pixels along a side of this length.
    translation: fn(usize) -> f64,
    degrees: f64,
    /// The distance of a factor from 1.
    factor: f64,
    /// The bits that are taken off.
    bits: f64,
}

const RAND_AUGMENT: Strongest =
    Strongest { shear: 0.3, translation: |side| 150.0 / 331.0 * side as f64, degrees: 30.0, factor: 0.9, bits: 4.0 };

const TRIVIAL_AUGMENT_WIDE: Strongest =
    Strongest { shear: 0.99, translation: |_| 32.0, degrees: 135.0, factor: 0.99, bits: 6.0 };

/// Makes a change of a share, from −1 to 1, of the strongest, for an image of a height and width. What has no direction
/// goes by the share's absolute value.
type Make = fn(&Strongest, f64, [usize; 2]) -> Change;

/// What is drawn from, in torchvision's order.
const CHANGES: [Make; 14] = [
    |_, _, _| Change::Nothing,
    |strongest, share, _| Change::ShearX(share * strongest.shear),
    |strongest, share, _| Change::ShearY(share * strongest.shear),
    |strongest, share, [_, width]| Change::TranslateX((share * (strongest.translation)(width)).trunc()),
    |strongest, share, [height, _]| Change::TranslateY((share * (strongest.translation)(height)).trunc()),
    |strongest, share, _| Change::Rotate(share * strongest.degrees),
    |strongest, share, _| Change::Tone(Tone::Brightness(1.0 + share * strongest.factor)),
    |strongest, share, _| Change::Tone(Tone::Saturation(1.0 + share * strongest.factor)),
    |strongest, share, _| Change::Tone(Tone::Contrast(1.0 + share * strongest.factor)),
    |strongest, share, _| Change::Tone(Tone::Sharpness(1.0 + share * strongest.factor)),
    |strongest, share, _| Change::Tone(Tone::Posterize(8 - (share.abs() * strongest.bits).round() as usize)),
    |_, share, _| Change::Tone(Tone::Solarize(1.0 - share.abs())),
    |_, _, _| Change::Tone(Tone::Autocontrast),
    |_, _, _| Change::Tone(Tone::Equalize),
];

/// What the policy makes of an image of the height and width `size`; nothing without numbers, or if it is no policy.
pub(super) fn draw(policy: Transform, rng: Option<&mut ChaCha8Rng>, size: [usize; 2]) -> Vec<Change> {
    let (strongest, operations, magnitude) = match policy {
        Transform::RandAugment { operations, magnitude } => (RAND_AUGMENT, operations, Some(magnitude)),
        Transform::TrivialAugment => (TRIVIAL_AUGMENT_WIDE, 1, None),
        _ => return Vec::new(),
    };
    let one = |rng: &mut ChaCha8Rng| {
        let change = CHANGES[rng.random_range(0..CHANGES.len())];
        let magnitude = magnitude.unwrap_or_else(|| rng.random_range(0..=MOST_MAGNITUDE));
        let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        change(&strongest, sign * magnitude as f64 / MOST_MAGNITUDE as f64, size)
    };
    rng.into_iter().flat_map(|rng| (0..operations).map(|_| one(rng)).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::AugmentKey;
    use std::collections::BTreeMap;

    /// What is drawn for this many images of a size.
    fn drawn(policy: Transform, images: usize, size: [usize; 2]) -> Vec<Vec<Change>> {
        let images: Vec<usize> = (0..images).collect();
        AugmentKey { seed: 1, epoch: 1, images: &images }.each(0, 1.0, |rng| draw(policy, rng, size))
    }

    /// The changes' names with their strengths, whatever their signs.
    fn named(change: Change) -> (&'static str, f64) {
        match change {
            Change::Nothing => ("nothing", 0.0),
            Change::ShearX(share) => ("shear x", share),
            Change::ShearY(share) => ("shear y", share),
            Change::TranslateX(pixels) => ("translate x", pixels),
            Change::TranslateY(pixels) => ("translate y", pixels),
            Change::Rotate(degrees) => ("rotate", degrees),
            Change::Tone(Tone::Brightness(factor)) => ("brightness", factor - 1.0),
            Change::Tone(Tone::Saturation(factor)) => ("color", factor - 1.0),
            Change::Tone(Tone::Contrast(factor)) => ("contrast", factor - 1.0),
            Change::Tone(Tone::Sharpness(factor)) => ("sharpness", factor - 1.0),
            Change::Tone(Tone::Posterize(bits)) => ("posterize", bits as f64),
            Change::Tone(Tone::Solarize(threshold)) => ("solarize", threshold),
            Change::Tone(Tone::Autocontrast) => ("autocontrast", 0.0),
            Change::Tone(Tone::Equalize) => ("equalize", 0.0),
            Change::Tone(Tone::Hue(_)) => panic!("no policy turns hues"),
        }
    }

    /// By the name of a change, the strengths that came.
    fn strengths(drawn: Vec<Vec<Change>>) -> BTreeMap<&'static str, Vec<f64>> {
        let mut strengths = BTreeMap::<_, Vec<f64>>::new();
        for (name, strength) in drawn.into_iter().flatten().map(named) {
            strengths.entry(name).or_default().push(strength);
        }
        strengths
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-12
    }

    /// torchvision 0.14's `RandAugment()._augmentation_space(31, …)` at three magnitudes, for images 331 wide and 662 high.
    #[test]
    fn rand_augment_has_one_magnitude() {
        for (magnitude, signed, posterize, solarize) in [
            (0, [0.0, 0.0, 0.0, 0.0, 0.0], 8.0, 1.0),
            (9, [0.09, 45.0, 90.0, 9.0, 0.27], 7.0, 0.7),
            (30, [0.3, 150.0, 300.0, 30.0, 0.9], 4.0, 0.0),
        ] {
            let policy = Transform::RandAugment { operations: 3, magnitude };
            let drawn = drawn(policy, 5000, [662, 331]);
            assert!(drawn.iter().all(|changes| changes.len() == 3));
            let repeated = drawn.iter().filter(|changes| named(changes[0]).0 == named(changes[1]).0).count();
            assert!((260..460).contains(&repeated), "with replacement, a 14th of 5000: {repeated}");
            let [shear, x, y, degrees, factor] = signed;
            let signed = [
                ("shear x", shear),
                ("shear y", shear),
                ("translate x", x),
                ("translate y", y),
                ("rotate", degrees),
                ("brightness", factor),
                ("color", factor),
                ("contrast", factor),
                ("sharpness", factor),
            ];
            let others = [
                ("nothing", 0.0),
                ("posterize", posterize),
                ("solarize", solarize),
                ("autocontrast", 0.0),
                ("equalize", 0.0),
            ];
            let strengths = strengths(drawn);
            assert_eq!(strengths.len(), 14);
            for (name, expected) in signed.into_iter().chain(others) {
                let found = &strengths[name];
                // 15000 draws from 14 come to 1071 each, with a deviation of 32.
                assert!((941..1201).contains(&found.len()), "{name} came {} times", found.len());
                let signed = signed.iter().any(|(signed, _)| *signed == name);
                let right = |strength: f64| close(if signed { strength.abs() } else { strength }, expected);
                assert!(found.iter().all(|strength| right(*strength)), "{name} at {magnitude}: {}", found[0]);
                let above = found.iter().filter(|strength| **strength > 0.0).count() as f64 / found.len() as f64;
                assert!(!signed || magnitude == 0 || (0.4..0.6).contains(&above), "{name}: {above} are positive");
            }
        }
    }

    /// Each of the 31 magnitudes comes as often, up to torchvision 0.14's `TrivialAugmentWide()._augmentation_space(31)`.
    #[test]
    fn trivial_augment_has_any_magnitude() {
        let drawn = drawn(Transform::TrivialAugment, 20_000, [28, 28]);
        assert!(drawn.iter().all(|changes| changes.len() == 1));
        let strengths = strengths(drawn);
        for (name, most) in [
            ("shear x", 0.99),
            ("shear y", 0.99),
            ("translate x", 32.0),
            ("translate y", 32.0),
            ("rotate", 135.0),
            ("brightness", 0.99),
            ("color", 0.99),
            ("contrast", 0.99),
            ("sharpness", 0.99),
        ] {
            let found = &strengths[name];
            let extreme = found.iter().fold(0.0_f64, |most, strength| most.max(strength.abs()));
            assert!(close(extreme, most), "{name} goes up to {extreme}");
            let mean = found.iter().map(|strength| strength.abs()).sum::<f64>() / found.len() as f64;
            assert!((mean / most - 0.5).abs() < 0.04, "{name}: the mean is {mean} of {most}");
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            assert!(mean.abs() < 0.1 * most, "{name} goes either way: {mean}");
            let whole = name.starts_with("translate");
            assert!(!whole || found.iter().all(|pixels| pixels.fract() == 0.0), "{name} by whole pixels");
        }
        let levels = |name: &str| {
            let mut levels = strengths[name].clone();
            levels.sort_by(f64::total_cmp);
            levels.dedup_by(|one, other| close(*one, *other));
            levels
        };
        assert_eq!(levels("posterize"), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(levels("solarize").len(), 31);
        assert!(strengths.values().all(|found| (1250..1610).contains(&found.len())), "a 14th of 20000 each");
        let mean = strengths["solarize"].iter().sum::<f64>() / strengths["solarize"].len() as f64;
        assert!((mean - 0.5).abs() < 0.04, "{mean}");
    }

    #[test]
    fn without_numbers_nothing_is_done() {
        for policy in [Transform::RandAugment { operations: 2, magnitude: 9 }, Transform::TrivialAugment] {
            assert_eq!(draw(policy, None, [28, 28]), []);
        }
    }
}
