/** How far a map keeps neighbours (Venna and Kaski 2001, "Neighborhood preservation in nonlinear projection methods"). */

/** For each row the others by their squared Euclidean distance, the nearest first; of equals the first. */
const ordered = (rows: ArrayLike<number>, dim: number, i: number): Int32Array => {
  const n = rows.length / dim
  const distance = new Float64Array(n)
  for (let j = 0; j < n; j++) {
    let s = 0
    for (let d = 0; d < dim; d++) s += (rows[i * dim + d] - rows[j * dim + d]) ** 2
    distance[j] = s
  }
  distance[i] = -1
  return Int32Array.from({ length: n }, (_, j) => j)
    .sort((a, b) => distance[a] - distance[b] || a - b)
    .subarray(1)
}

/**
 * Trustworthiness in 0..1 of a map `[n, 2]` of rows `[n, dim]`: 1 less the ranks beyond k, among all rows, of those that are among the k
 * nearest on the map alone, as a share of the worst there is. As scikit-learn's `trustworthiness`. Defined for k < n / 2.
 */
export const trustworthiness = (rows: ArrayLike<number>, dim: number, map: ArrayLike<number>, k: number): number => {
  const n = rows.length / dim
  let penalty = 0
  for (let i = 0; i < n; i++) {
    const rank = new Int32Array(n)
    ordered(rows, dim, i).forEach((j, r) => {
      rank[j] = r + 1
    })
    for (const j of ordered(map, 2, i).subarray(0, k)) penalty += Math.max(0, rank[j] - k)
  }
  return 1 - (2 / (n * k * (2 * n - 3 * k - 1))) * penalty
}
