//! Lines with no more points than can be seen (Douglas & Peucker 1973).

/// Returns the points that a line needs in order to be nowhere further than `tolerance` from the whole one.
pub fn thinned<const D: usize>(points: &[[f64; D]], tolerance: f64) -> Vec<[f64; D]> {
    places(points, tolerance).into_iter().map(|place| points[place]).collect()
}

/// Returns the places of these points.
pub fn places<const D: usize>(points: &[[f64; D]], tolerance: f64) -> Vec<usize> {
    let mut keep = vec![false; points.len()];
    let mut open = Vec::new();
    if let Some(last) = points.len().checked_sub(1) {
        (keep[0], keep[last]) = (true, true);
        open.push((0, last));
    }
    while let Some((first, last)) = open.pop() {
        let far = (first + 1..last)
            .map(|place| (place, distance(points[place], points[first], points[last])))
            .max_by(|one, other| one.1.total_cmp(&other.1));
        if let Some((place, distance)) = far
            && distance > tolerance
        {
            keep[place] = true;
            open.extend([(first, place), (place, last)]);
        }
    }
    (0..points.len()).filter(|place| keep[*place]).collect()
}

/// How far a point is from a segment.
fn distance<const D: usize>(point: [f64; D], from: [f64; D], to: [f64; D]) -> f64 {
    let dot = |one: [f64; D], other: [f64; D]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let minus = |one: [f64; D], other: [f64; D]| std::array::from_fn(|axis| one[axis] - other[axis]);
    let (along, away) = (minus(to, from), minus(point, from));
    let length = dot(along, along);
    let share = if length > 0.0 { (dot(along, away) / length).clamp(0.0, 1.0) } else { 0.0 };
    let off = std::array::from_fn(|axis| away[axis] - share * along[axis]);
    dot(off, off).sqrt()
}
