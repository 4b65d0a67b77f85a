/** JPEG-LS streams, lossless and near lossless (ITU-T T.87 Annex C): their segments, and the samples of their scans. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Frame, Scan } from './jpeg-ls-scan.ts'
import { decodeScan, interleavings, noPresets } from './jpeg-ls-scan.ts'
import { sameSize, showSize } from './samples.ts'
import type { FrameSize, Samples } from './samples.ts'

/** Decodes a stream whose frame must have this size. Left: why not. */
export const decodeJpegLs = (bytes: Uint8Array, size: FrameSize): Either<string, Samples> => {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return E.left('data that do not begin as a JPEG-LS stream')
  const short = (at: number): number => bytes[at] * 256 + bytes[at + 1]
  let frame: Frame | undefined
  let presets = noPresets
  let restart = 0
  let out: Uint8Array | Uint16Array = new Uint8Array()
  const done = new Set<number>()
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]
    if (marker === 0xd9) break
    const [body, next] = [at + 4, at + 2 + short(at + 2)]
    if (next > bytes.length || next < body) return E.left(`a JPEG-LS stream of ${bytes.length} bytes with a segment up to byte ${next}`)
    if (marker === 0xf7) {
      const channels = bytes[body + 5]
      const found = { height: short(body + 1), width: short(body + 3), channels }
      if (!sameSize(found, size)) return E.left(`a JPEG-LS stream of ${showSize(found)} in a file of frames ${showSize(size)}`)
      const bits = bytes[body]
      if (bits < 2 || bits > 16) return E.left(`a JPEG-LS stream of ${bits} bits`)
      if (next < body + 6 + 3 * channels) return E.left('a JPEG-LS stream whose frame header is cut short')
      frame = { ...found, bits, components: Array.from({ length: channels }, (_, i) => bytes[body + 6 + 3 * i]) }
      out = new (bits > 8 ? Uint16Array : Uint8Array)(size.height * size.width * channels)
    } else if (marker === 0xf8) {
      if (bytes[body] !== 1 || next < body + 11)
        return E.left(`a JPEG-LS stream with preset parameters of kind ${bytes[body]}, which is not read`)
      presets = {
        maximum: short(body + 1),
        thresholds: [short(body + 3), short(body + 5), short(body + 7)],
        reset: short(body + 9),
      }
    } else if (marker === 0xdd) {
      restart = 0
      for (let i = body; i < next; i++) restart = restart * 256 + bytes[i]
    } else if (marker === 0xe8 && String.fromCharCode(...bytes.subarray(body, body + 4)) === 'mrfx' && bytes[body + 4] !== 0)
      return E.left(`a JPEG-LS stream with the colour transform ${bytes[body + 4]}, which is not read`)
    else if (marker === 0xda) {
      if (frame === undefined) return E.left('a JPEG-LS stream without a frame header')
      const { components, bits } = frame
      const count = bytes[body]
      const own = Array.from({ length: count }, (_, i) => components.indexOf(bytes[body + 1 + 2 * i]))
      const [near, interleaving] = [bytes[body + 1 + 2 * count], interleavings[bytes[body + 2 + 2 * count]]]
      if (interleaving === undefined || own.some((i) => i < 0) || count === 0 || (interleaving === 'none' && count > 1))
        return E.left('a JPEG-LS scan of other components than the frame has, or in an order that is none')
      const most = presets.maximum === 0 ? 2 ** bits - 1 : presets.maximum
      if (near > Math.min(255, most >> 1) || most >= 2 ** bits) return E.left(`a JPEG-LS scan of values up to ${most}, near ${near}`)
      const scan: Scan = { components: own, near, interleaving, presets, restart }
      at = decodeScan(bytes, frame, scan, next, out)
      if (at < 0) return E.left('a JPEG-LS stream that cannot be decoded: damaged data')
      for (const i of own) done.add(i)
      continue
    }
    at = next
  }
  if (frame === undefined || done.size < frame.channels) return E.left('a JPEG-LS stream that ends before all components have come')
  return E.right({ ...size, bits: frame.bits, data: out })
}
