/** Numbers for people: short, and of a steady width where a line is rewritten; and the time that passes. */
import { performance } from 'node:perf_hooks'

/** Seconds of a steady clock. */
export const clock = (): number => performance.now() / 1000

/** Four significant digits: `2.314`, `0.0413`, `1.2e-7`, `12830`; `nan`, `inf`. */
export const showNumber = (v: number): string => {
  if (Number.isNaN(v)) return 'nan'
  if (!Number.isFinite(v)) return v > 0 ? 'inf' : '-inf'
  const a = Math.abs(v)
  if (a !== 0 && (a < 1e-3 || a >= 1e6)) return v.toExponential(2).replace('e+', 'e')
  return Number.isInteger(v) ? String(v) : a >= 1000 ? v.toFixed(0) : a >= 1 ? v.toPrecision(4) : v.toPrecision(3)
}

/** Images a second, without digits that change from line to line: `653.7`, `12`, `0.600`. */
export const showRate = (v: number): string => showNumber(v < 10 ? v : Math.round(v * 10) / 10)

/** A time in seconds: `0.8s`, `42s`, `3m 05s`, `2h 07m`, `3d 04h`. */
export const showDuration = (seconds: number): string => {
  if (!Number.isFinite(seconds) || seconds < 0) return '?'
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`
  const s = Math.round(seconds)
  const two = (n: number): string => String(n).padStart(2, '0')
  if (s < 60) return `${s}s`
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`
  const m = Math.floor(s / 60)
  return m < 1440 ? `${Math.floor(m / 60)}h ${two(m % 60)}m` : `${Math.floor(m / 1440)}d ${two(Math.floor((m % 1440) / 60))}h`
}

/** A number of bytes in binary units: `812 B`, `1.5 KiB`, `23 MiB`. */
export const showBytes = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let v = bytes
  let u = 0
  while (v >= 1023.5 && u < units.length - 1) {
    v /= 1024
    u++
  }
  return `${u === 0 || v >= 10 ? v.toFixed(0) : v.toFixed(1)} ${units[u]}`
}

/** The classifier that a number of a run is of: `k-NN (k = 20)`. */
export const knnName = (k: number): string => `k-NN (k = ${k})`

/** A share: `76.5 %`. */
export const percent = (x: number): string => `${(100 * x).toFixed(1)} %`
