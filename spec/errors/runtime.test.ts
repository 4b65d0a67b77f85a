/** What a user sees when a program is well typed and the run, or the file, is not. */
import * as E from 'fp-ts/lib/Either.js'
import { pack, unpack } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import type { HostArray } from '../../compiler/target.ts'
import { evaluate, reference } from '../../compiler/targets/reference.ts'
import { leaf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { exitCode, showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { load, save } from '../../core/serialize.ts'
import { tensorType } from '../../core/type.ts'
import { mul } from '../../ops/elementwise.ts'
import { linear } from '../../ops/nn.ts'
import { loadOp } from '../../ops/vocabulary.ts'
import { must } from '../rules/agreement.ts'
import { input } from '../support/tensor.ts'

const weight = leaf(tensorType('f32', [4, 3]), { _tag: 'Param', path: 'head.weight' })
const rate = leaf(tensorType('f32', []), { _tag: 'Hyper', path: 'learning rate' })
const graph = { name: 'head', outputs: [value('logits', mul(linear(input('image', [2, 3]), weight), rate))] }

const shown = (r: E.Either<Fault, unknown>): string => (E.isLeft(r) ? showFault(r.left) : 'no fault')

const ran = async (
  values: Record<string, HostArray>,
  weights = new Float32Array(12),
  shape: ReadonlyArray<number> = [4, 3],
): Promise<string> => {
  const d = await must(reference.open)
  if (weights.length > 0) await must(d.write('head.weight', tensorType('f32', shape), weights))
  return shown(await (await must(d.compile(graph))).run({ values: new Map(Object.entries(values)) })())
}

const image = new Float32Array(6)
const one = Float32Array.of(1)

describe('a run', () => {
  it('with all it needs has no fault', async () => {
    expect(await ran({ image, 'learning rate': one })).toBe('no fault')
  })
  it('without an input', async () => {
    expect(await ran({ 'learning rate': one })).toMatchInlineSnapshot(`
      "target fault at input image
        found:   no value
        allowed: f32[2, 3]: 6 elements
        remedy:  give it in the values of the run"
    `)
  })
  it('without a hyper', async () => {
    expect(await ran({ image })).toMatchInlineSnapshot(`
      "target fault at hyper learning rate
        found:   no value
        allowed: f32[]: 1 elements
        remedy:  give it in the values of the run"
    `)
  })
  it('with an input of another length', async () => {
    expect(await ran({ image: new Float32Array(5), 'learning rate': one })).toMatchInlineSnapshot(`
      "target fault at input image
        found:   5 elements
        allowed: f32[2, 3]: 6 elements
        remedy:  pass a row-major array of that length"
    `)
  })
  it('before its parameters were written', async () => {
    expect(await ran({ image, 'learning rate': one }, new Float32Array(0))).toMatchInlineSnapshot(`
      "target fault at param head.weight
        found:   a resident tensor that was never written
        allowed: f32[4, 3]: 12 elements
        remedy:  write it to the device before the first run"
    `)
  })
  it('on parameters of another type', async () => {
    expect(await ran({ image, 'learning rate': one }, new Float32Array(12), [3, 4])).toMatchInlineSnapshot(`
      "target fault at param head.weight
        found:   a resident tensor f32[3, 4]
        allowed: f32[4, 3]
        remedy:  write the tensor with the type that the graph declares"
    `)
  })
  it('of expressions without a value throws the same text', () => {
    expect(() => evaluate([input('x', [2])])).toThrow('target fault at input x\n  found:   no value')
  })
})

describe('a device', () => {
  it('asked for what it does not hold', async () => {
    const d = await must(reference.open)
    await must(d.write('head.bias', tensorType('f32', [4]), new Float32Array(4)))
    expect(shown(await d.read('head.bais')())).toMatchInlineSnapshot(`
      "target fault at resident head.bais
        found:   no such tensor
        allowed: head.bias
        remedy:  write it first, or name an existing one"
    `)
  })
  it('given another type than before', async () => {
    const d = await must(reference.open)
    await must(d.write('head.bias', tensorType('f32', [4]), new Float32Array(4)))
    expect(shown(await d.write('head.bias', tensorType('f32', [5]), new Float32Array(5))())).toMatchInlineSnapshot(`
      "target fault at resident head.bias
        found:   a resident tensor f32[5]
        allowed: f32[4]
        remedy:  write the tensor with the type that the graph declares"
    `)
  })
})

/** The saved graph as plain data, changed. */
const changed = (f: (saved: object) => unknown): string =>
  shown(
    E.chain(load(loadOp))(
      E.map((bytes: Uint8Array) => {
        const saved: unknown = unpack(bytes)
        return pack(f(typeof saved === 'object' && saved !== null ? saved : {}))
      })(save(graph)),
    ),
  )

describe('a saved graph', () => {
  it('that was not changed has no fault', () => {
    expect(changed((s) => s)).toBe('no fault')
  })
  it('of other bytes', () => {
    expect(shown(load(loadOp)(Uint8Array.of(0xc1, 0xff, 3)))).toMatchInlineSnapshot(`
      "graph fault at a saved graph
        found:   bytes that are not MessagePack
        allowed: bytes written by \`save\` of this version
        remedy:  save the graph again"
    `)
  })
  it('cut short', () => {
    const bytes = save(graph)
    expect(E.isRight(bytes) && shown(load(loadOp)(bytes.right.slice(0, 40)))).toContain('graph fault at a saved graph')
  })
  it('of another format', () => {
    expect(changed((s) => ({ ...s, format: 'dinograph-graph-0' }))).toMatchInlineSnapshot(`
      "graph fault at a saved graph
        found:   another structure
        allowed: bytes written by \`save\` of this version
        remedy:  save the graph again"
    `)
  })
  it('with an op that this version does not know', () => {
    expect(changed((s) => ({ ...s, nodes: [{ op: 'convolve', params: { stride: 2 }, args: [], region: null }] }))).toMatchInlineSnapshot(`
      "graph fault at a saved graph
        found:   the op convolve with parameters {"stride":2}
        allowed: bytes written by \`save\` of this version
        remedy:  save the graph again"
    `)
  })
  it('with a node that reads one behind it', () => {
    expect(changed((s) => ({ ...s, nodes: [{ op: 'neg', params: null, args: [0], region: null }] }))).toMatchInlineSnapshot(`
      "graph fault at a saved graph
        found:   neg reads a node that is not there
        allowed: bytes written by \`save\` of this version
        remedy:  save the graph again"
    `)
  })
  it('with too few arguments', () => {
    expect(
      changed((s) => ({
        ...s,
        nodes: [{ op: 'reshape', params: { shape: [2] }, args: [], region: null }],
        outputs: [{ role: 'value', path: 'y', node: 0 }],
      }))
        .replace(/\(.*runtime/, '(runtime')
        .replace(/:\d+:\d+/, ''),
    ).toMatchInlineSnapshot(`
        "type fault at reshape (runtime.test.ts)
          found:   no arguments
          allowed: as many arguments as reshape takes: 1
          remedy:  pass them all, and no more"
      `)
  })
})

describe('the exit code', () => {
  it('tells wrong use from what failed on the way', () => {
    const of = (kind: Fault['kind']): Fault => ({ _tag: 'Fault', kind, place: '', found: '', allowed: '', remedy: '' })
    expect([exitCode(of('usage')), exitCode(of('config')), exitCode(of('data')), exitCode(of('target'))]).toEqual([2, 2, 1, 1])
  })
})
