/** What is written as ONNX against the reference: every primitive, and random graphs of them. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { describe, expect, it } from 'vitest'
import { agreesWithReference } from '../rules/agreement.ts'
import { samples } from '../rules/samples.ts'
import { onnxDevice } from '../support/onnx.ts'
import { holds } from './graphs.ts'

/** What opset 17 has no operators for. */
const bits = ['and', 'or', 'xor']

describe('every primitive', () => {
  it.each(Object.entries(samples).filter(([name]) => !bits.includes(name)))('%s', async (name, sample) => {
    // onnxruntime's sums of i32 end at the largest number, where the language's wrap around
    const cases = name === 'sum' ? sample.cases.filter((c) => c.args[0].type.dtype !== 'i32') : sample.cases
    await agreesWithReference(onnxDevice(), { ...sample, cases }, { half: false })
  })
  it.each(bits)('%s of bools, and never of the bits of i32', async (name) => {
    const sample = Object.entries(samples).find(([n]) => n === name)?.[1]
    if (sample === undefined) return expect.fail('no sample')
    const of = (dtype: string) => ({ ...sample, cases: sample.cases.filter((c) => c.args[0].type.dtype === dtype) })
    await agreesWithReference(onnxDevice(), of('bool'), { half: false })
    await expect(agreesWithReference(onnxDevice(), of('i32'), { half: false })).rejects.toThrow('opset 18')
  })
})

// graphs of the kind `mixed` have bits and sums of i32 beyond its range, where onnxruntime gives the largest number
await holds({
  name: 'onnx',
  opens: [TE.rightIO(onnxDevice)],
  half: false,
  addsInOrder: true,
  together: 10,
  counts: { extents: 100, networks: 20 },
})
