/** Colours of DICOM (PS3.3 C.7.6.3.1.2): whatever was stored becomes RGB planes. */

import type { DicomHeader } from './header.ts'

/**
 * Interleaved samples as RGB planes [3, pixels] with values 0 .. 2^bits - 1. YBR_FULL and YBR_FULL_422 are turned by the
 * inverse of ITU-R 601, rounded and clamped; what a decoder gave as RGB already, and RGB itself, stays.
 */
export const colourOf = (stored: ArrayLike<number>, h: DicomHeader, rgb: boolean): Float32Array => {
  const n = stored.length / 3
  const out = new Float32Array(3 * n)
  if (rgb || !h.photometric.startsWith('YBR_FULL')) {
    for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) out[c * n + i] = stored[3 * i + c]
    return out
  }
  const top = 2 ** h.stored - 1
  const middle = 2 ** (h.stored - 1)
  const held = (v: number): number => Math.max(0, Math.min(top, Math.floor(v + 0.5)))
  for (let i = 0; i < n; i++) {
    const y = stored[3 * i]
    const b = stored[3 * i + 1] - middle
    const r = stored[3 * i + 2] - middle
    out[i] = held(y + 1.402 * r)
    out[n + i] = held(y - ((0.114 * 1.772) / 0.587) * b - ((0.299 * 1.402) / 0.587) * r)
    out[2 * n + i] = held(y + 1.772 * b)
  }
  return out
}
