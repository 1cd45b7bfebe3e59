//! The eigenvalues and eigenvectors of a symmetric matrix, on the host, in f64.

/// Holds `A = Q·Λ·Qᵀ` of a symmetric matrix, the eigenvalues in no order.
#[derive(Clone, Debug)]
pub(crate) struct Eigen {
    n: usize,
    pub(crate) values: Vec<f64>,
    /// Q row by row: the eigenvectors are its columns.
    vectors: Vec<f64>,
}

impl Eigen {
    /// Decomposes the symmetric matrix of `n` rows, by Householder's reflections to a tridiagonal one and implicit QL steps
    /// on that (Golub & Van Loan 2013, sections 8.3.1 and 8.3.3). None if a number is not finite.
    pub(crate) fn of(matrix: Vec<f64>, n: usize) -> Option<Self> {
        if matrix.len() != n * n || n == 0 || !matrix.iter().all(|value| value.is_finite()) {
            return None;
        }
        let (diagonal, beside, vectors) = tridiagonal(matrix, n);
        let mut eigen = Self { n, values: diagonal, vectors };
        eigen.diagonalize(beside)?;
        Some(eigen)
    }

    /// `Qᵀ·v`.
    pub(super) fn to_eigenbasis(&self, v: &[f64]) -> Vec<f64> {
        let mut rotated = vec![0.0; self.n];
        for (row, v) in self.vectors.chunks_exact(self.n).zip(v) {
            for (out, q) in rotated.iter_mut().zip(row) {
                *out += q * v;
            }
        }
        rotated
    }

    /// `Q·v`.
    pub(super) fn out_of_eigenbasis(&self, v: &[f64]) -> Vec<f64> {
        self.vectors.chunks_exact(self.n).map(|row| row.iter().zip(v).map(|(q, v)| q * v).sum()).collect()
    }

    /// Makes the tridiagonal matrix diagonal, whose entries beside the diagonal are `beside[i]`, between i and i + 1.
    fn diagonalize(&mut self, mut beside: Vec<f64>) -> Option<()> {
        let n = self.n;
        for low in 0..n {
            for sweep in 0.. {
                // The block from `low` that does not fall into two.
                let small =
                    |i: usize| beside[i].abs() <= f64::EPSILON * (self.values[i].abs() + self.values[i + 1].abs());
                let high = (low..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
                if high == low {
                    break;
                }
                if sweep == MOST_SWEEPS {
                    return None;
                }
                self.ql_step(low, high, &mut beside);
            }
        }
        Some(())
    }

    /// One implicit QL step with Wilkinson's shift on the block from `low` to `high`.
    fn ql_step(&mut self, low: usize, high: usize, beside: &mut [f64]) {
        let d = &mut self.values;
        let half = (d[low + 1] - d[low]) / (2.0 * beside[low]);
        let root = half.hypot(1.0);
        let shift = d[low] - beside[low] / (half + root.copysign(half));
        let mut bulge = d[high] - shift;
        let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
        for i in (low..high).rev() {
            let (f, b) = (sine * beside[i], cosine * beside[i]);
            let radius = f.hypot(bulge);
            if i + 1 < high {
                beside[i + 1] = radius;
            }
            if radius == 0.0 {
                d[i + 1] -= moved;
                return;
            }
            (sine, cosine) = (f / radius, bulge / radius);
            let g = d[i + 1] - moved;
            let t = (d[i] - g) * sine + 2.0 * cosine * b;
            moved = sine * t;
            d[i + 1] = g + moved;
            bulge = cosine * t - b;
            for row in self.vectors.chunks_exact_mut(self.n) {
                let (left, right) = (row[i], row[i + 1]);
                row[i + 1] = sine * left + cosine * right;
                row[i] = cosine * left - sine * right;
            }
        }
        d[low] -= moved;
        beside[low] = bulge;
    }
}

const MOST_SWEEPS: usize = 60;

/// `A = Q·T·Qᵀ` with T tridiagonal: its diagonal, what is beside it, and Q.
fn tridiagonal(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut q = vec![0.0; n * n];
    (0..n).for_each(|i| q[i * n + i] = 1.0);
    for column in 0..n.saturating_sub(2) {
        // The reflection I − 2·v·vᵀ that leaves of the column only what is next to the diagonal.
        let mut v: Vec<f64> = (0..n).map(|row| if row > column { a[row * n + column] } else { 0.0 }).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v[column + 1] += length.copysign(v[column + 1]);
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        v.iter_mut().for_each(|x| *x /= norm);
        // A − 2·(v·wᵀ + w·vᵀ) with w = A·v − (vᵀ·A·v)·v.
        let mut w: Vec<f64> = a.chunks_exact(n).map(|row| dot(row, &v)).collect();
        let v_a_v = dot(&v, &w);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= v_a_v * v);
        for (i, row) in a.chunks_exact_mut(n).enumerate() {
            let (v_i, w_i) = (v[i], w[i]);
            row.iter_mut().zip(v.iter().zip(&w)).for_each(|(a, (v, w))| *a -= 2.0 * (v_i * w + w_i * v));
        }
        for row in q.chunks_exact_mut(n) {
            let along = 2.0 * dot(row, &v);
            row.iter_mut().zip(&v).for_each(|(q, v)| *q -= along * v);
        }
    }
    let diagonal = (0..n).map(|i| a[i * n + i]).collect();
    let beside = (0..n - 1).map(|i| a[i * n + i + 1]).collect();
    (diagonal, beside, q)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symmetric matrices of all kinds are put together again from their parts.
    #[test]
    fn a_matrix_is_its_eigenvectors_times_its_eigenvalues() {
        let entry = |i: usize, j: usize| ((i * 31 + j * 17 + i * j * 7) % 23) as f64 - 11.0;
        for n in [1, 2, 3, 5, 8, 40] {
            let full = (0..n * n).map(|at| entry(at / n, at % n) + entry(at % n, at / n)).collect::<Vec<f64>>();
            let rank_one = (0..n * n).map(|at| ((at / n + 1) * (at % n + 1)) as f64).collect();
            let diagonal = (0..n * n).map(|at| if at / n == at % n { (at / n) as f64 } else { 0.0 }).collect();
            for matrix in [full, rank_one, diagonal, vec![0.0; n * n]] {
                let scale = matrix.iter().fold(1.0, |scale: f64, x| scale.max(x.abs())) * n as f64;
                let eigen = Eigen::of(matrix.clone(), n).expect("finite");
                for column in 0..n {
                    let unit: Vec<f64> = (0..n).map(|row| f64::from(row == column)).collect();
                    let rotated = eigen.to_eigenbasis(&unit);
                    let scaled: Vec<f64> = rotated.iter().zip(&eigen.values).map(|(x, value)| x * value).collect();
                    let (found, unit_again) = (eigen.out_of_eigenbasis(&scaled), eigen.out_of_eigenbasis(&rotated));
                    for row in 0..n {
                        assert!((found[row] - matrix[row * n + column]).abs() < 1e-13 * scale, "{n}: {found:?}");
                        assert!((unit_again[row] - unit[row]).abs() < 1e-13 * n as f64, "{n}: no orthogonal matrix");
                    }
                }
            }
        }
        assert!(Eigen::of(vec![f64::NAN], 1).is_none());
    }
}
