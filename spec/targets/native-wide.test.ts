/** Shapes that fill vectors, blocks and several threads: what small samples never reach. */
import { afterAll, describe, expect, it } from 'vitest'
import { openNative } from '../../compiler/targets/native/device.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Device, HostArray, HostValues } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import { table } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { isFloat, range, sizeOf } from '../../core/type.ts'
import { grad } from '../../compiler/grad.ts'
import { einsum } from '../../ops/contract.ts'
import * as e from '../../ops/elementwise.ts'
import { gather, iota, scatterAdd } from '../../ops/gather.ts'
import { gelu, layerNorm, logSoftmax, softmax } from '../../ops/nn.ts'
import { argmax, max, mean, sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { concat, flip, pad, pick, slice } from '../../ops/window.ts'
import { must } from '../rules/agreement.ts'
import { expectClose, hostArray, input, wave, waves } from '../support/tensor.ts'

const opened = new Map<string, Device>()
const open = async (threads: number, flags: ReadonlyArray<string>): Promise<Device> => {
  const key = [threads, ...flags].join(' ')
  const d = opened.get(key) ?? (await must(openNative({ threads, least: 1, flags })))
  opened.set(key, d)
  return d
}
afterAll(() => {
  for (const d of opened.values()) d.close()
})

const x = input('x', [37, 150])
const y = input('y', [37, 150])
const b = input('b', [150])
const z = input('z', [3, 41, 70])
const q = input('q', [2, 45, 3, 32])
const k = input('k', [2, 45, 3, 32])
const wide = input('wide', [40, 1700])
const tall = reshape([400, 170])(wide)
const deep = reshape([8, 50, 170])(wide)
const long = reshape([1700, 40])(wide)
const w = input('w', [72, 150])
const h = input('h', [37, 150], 'f16')
const i = e.cast('i32')(e.mul(x, 1000))
const at = table(
  'i32',
  [90],
  range(90).map((n) => (n * 29) % 37),
)
const columns = table(
  'i32',
  [90],
  range(90).map((n) => (n * 31) % 150),
)
const qk = (v: Expr): Expr => e.mul(einsum('bqhd,bkhd->bhqk')(v, k), 32 ** -0.5)
const attention = (v: Expr): Expr => reshape([2, 45, 96])(transpose([0, 2, 1, 3])(einsum('bhqk,bkhd->bhqd')(softmax(-1)(qk(v)), k)))

const cases: Readonly<Record<string, Expr>> = {
  'elements with a tail': e.add(e.mul(e.exp(x), y), e.tanh(e.div(x, 3))),
  'a row of constants': e.add(x, b),
  'sums of rows': sum({ axes: [1] })(e.mul(x, y)),
  'sums of columns': sum({ axes: [0] })(e.mul(x, y)),
  'sums over the middle': sum({ axes: [1] })(z),
  'sums over first and last': sum({ axes: [0, 2] })(z),
  'all of it': sum()(z),
  'sums of many columns, of few rows': e.mul(sum({ axes: [0] })(wide), 2),
  'sums of few columns, of many rows': sum({ axes: [0] })(e.mul(tall, e.cos(tall))),
  'sums of columns over two axes': e.add(sum({ axes: [0, 1] })(deep), sum({ axes: [0] })(slice(0, 7, 400)(tall))),
  'two sums of the same rows': e.div(sum({ axes: [0] })(e.mul(tall, tall)), e.add(sum({ axes: [0] })(e.abs(tall)), 1)),
  'two sums of the same wide rows': e.div(sum({ axes: [0] })(e.mul(wide, wide)), e.add(sum({ axes: [0] })(e.abs(wide)), 1)),
  'all of many rows': e.sqrt(sum()(e.mul(tall, tall))),
  'largest of rows that are less than nothing': max({ axes: [1] })(e.sub(e.neg(e.abs(x)), 1)),
  'largest of whole numbers of columns, all less than nothing': max({ axes: [0] })(e.sub(e.neg(e.abs(i)), 1)),
  'first largest where all are the least of whole numbers': argmax({ axes: [1] })(e.mul(e.add(e.mul(i, 0), 1), -2147483648)),
  'largest of rows': max({ axes: [1] })(x),
  'largest of columns': max({ axes: [0] })(x),
  'first largest of rows': argmax({ axes: [1] })(x),
  'first largest of columns': argmax({ axes: [0] })(x),
  'first largest whole number of columns': argmax({ axes: [0] })(i),
  'softmax of rows': softmax(1)(x),
  'softmax of columns': softmax(0)(x),
  'logarithms of softmax': logSoftmax(-1)(e.mul(x, 5)),
  'layer norm': layerNorm(1e-6)(z, slice(0, 0, 70)(b), slice(0, 30, 100)(b)),
  'a transpose': transpose([1, 0])(x),
  'a transpose of three': e.mul(transpose([2, 0, 1])(z), 2),
  'padded along the lanes': pad(1, 3, 5)(x),
  'padded along rows': pad(0, 2, 1)(x),
  'put together along the lanes': concat(1)([x, e.neg(y), x]),
  'flipped along the lanes': flip([1])(x),
  'rows by a list': gather(0)(x, at),
  'columns by a list': gather(1)(x, columns),
  'rows added by a list': scatterAdd(0, 37)(gather(0)(x, at), at),
  'columns added by a list': scatterAdd(1, 150)(gather(1)(x, columns), columns),
  'whole numbers': e.xor(e.mul(i, 123456789), e.shiftRight(i, 3)),
  'division of whole numbers': e.add(e.floorDiv(i, 7), e.mod(i, 11)),
  'truth values': e.and(e.less(x, y), e.not(e.equal(i, 0))),
  'a choice': e.where(e.less(x, y), e.exp(x), e.neg(y)),
  'half precision': e.cast('f32')(e.add(e.cast('f16')(x), e.cast('f16')(y))),
  bfloat16: e.cast('f32')(e.mul(e.cast('bf16')(x), e.cast('bf16')(y))),
  'positions as numbers': e.cast('f32')(e.mul(iota([37, 150], 1), iota([37, 150], 0))),
  'a product, nt': einsum('mk,nk->mn')(x, w),
  'a product, tn': einsum('km,kn->mn')(x, y),
  'a product, nn': einsum('mk,kn->mn')(x, einsum('ij,ik->jk')(x, y)),
  'a product that is stored transposed': transpose([1, 0])(einsum('mk,nk->mn')(x, w)),
  'a long sum': einsum('mk,nk->mn')(wide, e.cos(wide)),
  'a long sum with an epilogue': gelu(e.add(einsum('mk,nk->mn')(wide, wide), slice(0, 0, 40)(b))),
  'few rows, columns side by side': einsum('kr,kn->rn')(slice(1, 3, 11)(tall), tall),
  'few columns, rows side by side': einsum('kn,kr->nr')(tall, slice(1, 3, 11)(tall)),
  'few columns, sums along memory': einsum('nk,rk->nr')(tall, slice(0, 3, 11)(tall)),
  'few rows, sums along memory': einsum('rk,nk->rn')(slice(0, 3, 11)(tall), tall),
  'few rows, long sums': einsum('kr,kn->rn')(slice(1, 3, 11)(long), long),
  'few columns, long sums': einsum('kn,kr->nr')(long, slice(1, 3, 11)(long)),
  'few columns, long sums along memory': einsum('nk,rk->nr')(wide, slice(0, 3, 11)(wide)),
  'few rows, long sums along memory': e.add(einsum('rk,nk->rn')(slice(0, 3, 11)(wide), wide), slice(0, 0, 40)(b)),
  'a product with two outer loops': einsum('aik,nk->ain')(z, reshape([30, 70])(slice(0, 0, 30)(slice(1, 0, 70)(x)))),
  'a sum over two axes': einsum('akm,akn->mn')(z, e.sin(z)),
  'products of a batch': einsum('amk,ank->amn')(z, z),
  scores: qk(q),
  attention: attention(q),
  'a product of a padded factor': einsum('mk,nk->mn')(pad(1, 1, 1)(slice(1, 0, 148)(x)), w),
  'a product of rows with a gap': einsum('amk,nk->amn')(slice(1, 0, 40)(z), reshape([30, 70])(slice(0, 0, 30)(slice(1, 0, 70)(x)))),
  'a product of a factor of 16 bits': einsum('mk,nk->mn')(e.cast('f32')(h), w),
  'a product of a gathered factor': einsum('mk,nk->mn')(gather(0)(x, at), w),
  'heads side by side': transpose([1, 0, 2])(reshape([37, 3, 24])(einsum('mk,nk->mn')(x, w))),
  'a patch embedding': einsum('pk,dk->pd')(
    reshape([16, 48])(transpose([1, 3, 0, 2, 4])(reshape([3, 4, 4, 4, 4])(slice(0, 0, 768)(reshape([1110 * 5])(x))))),
    slice(1, 0, 48)(w),
  ),
}

const gradients: Readonly<Record<string, readonly [Expr, ReadonlyArray<Expr>]>> = {
  'of attention': [sum()(e.mul(attention(q), e.sin(reshape([2, 45, 96])(q)))), [q, k]],
  'of layer norm and gelu': [mean()(gelu(layerNorm(1e-6)(x, b, b))), [x, b]],
  'of scales and shifts': [
    sum()(e.mul(e.sin(e.add(e.mul(tall, slice(0, 0, 170)(reshape([68000])(wide))), slice(0, 0, 170)(reshape([5550])(x)))), tall)),
    [wide, x],
  ],
  'of a linear layer': [mean()(logSoftmax(-1)(e.add(einsum('mk,nk->mn')(x, w), slice(0, 0, 72)(b)))), [x, w, b]],
  'of slices of one projection': [
    sum()(e.mul(e.mul(pick(1, 0)(reshape([37, 2, 75])(x)), pick(1, 1)(reshape([37, 2, 75])(x))), slice(0, 0, 75)(b))),
    [x],
  ],
}

const values = new Map<string, HostArray>(
  [x, y, b, z, q, k, wide, w, h].flatMap((l, n) =>
    l.source._tag === 'Input' ? [[l.source.path, hostArray(waves(l.type.shape, n))] as const] : [],
  ),
)

const agree = async (exprs: ReadonlyArray<Expr>, what: string, flags: ReadonlyArray<string> = []): Promise<void> => {
  const expected = evaluate(exprs, values)
  const results: Array<HostValues> = []
  for (const threads of [1, 2, 3]) {
    const device = await open(threads, flags)
    const graph = await must(() =>
      Promise.resolve(
        trace(
          'wide',
          exprs.map((x, n) => value(`${n}`, x)),
        ),
      ),
    )
    const got = await must((await must(device.compile(graph))).run({ values }))
    exprs.forEach((x, n) => {
      expectClose(
        got.get(`${n}`) ?? [],
        expected[n],
        isFloat(x.type.dtype) ? (what === 'half precision' ? 2e-3 : 2e-5) : 0,
        `${what}, ${threads} threads, output ${n}`,
      )
    })
    results.push(got)
  }
  // sums are taken in one order, whoever takes them
  const [one, ...others] = results.map((r) => new Map([...r].map(([path, v]) => [path, [...v]])))
  for (const other of others) expect(other).toEqual(one)
}

describe('wide shapes agree with the reference', () => {
  it.for(Object.entries(cases))('%s', { timeout: 60000 }, async ([name, x]) => {
    await agree([x], name)
  })
  it.for(Object.entries(gradients))('gradients %s', { timeout: 60000 }, async ([name, [loss, xs]]) => {
    await agree([loss, ...grad(loss, xs)], name)
  })
  it('all in one graph', { timeout: 120000 }, async () => {
    await agree(Object.values(cases), 'half precision')
  })
})

describe.runIf(process.arch === 'x64')('other vectors', () => {
  it.for([
    ['AVX2', '-march=x86-64-v3'],
    ['SSE2', '-march=x86-64'],
  ])('%s', { timeout: 120000 }, async ([, flag]) => {
    await agree(Object.values(cases), 'half precision', [flag])
  })
})

describe('special values', () => {
  it('go through every function as they should', { timeout: 60000 }, async () => {
    const s = input('s', [48])
    const all = new Map([['s', Float32Array.from([...wave(38), NaN, Infinity, -Infinity, 0, -0, 1e-42, -1e-42, 3e38, -3e38, 89])]])
    const exprs = [
      e.exp(s),
      e.log(s),
      e.tanh(s),
      e.erf(s),
      e.sqrt(s),
      e.floor(s),
      e.abs(s),
      e.maximum(s, 0),
      e.minimum(0, s),
      e.cast('i32')(e.mul(s, 1)),
      e.less(s, 0),
      max()(s),
      sizeOf([1]) === 1 ? sum()(s) : s,
    ]
    const device = await open(1, [])
    const graph = await must(() =>
      Promise.resolve(
        trace(
          'special',
          exprs.map((x, n) => value(`${n}`, x)),
        ),
      ),
    )
    const got = await must((await must(device.compile(graph))).run({ values: all }))
    evaluate(exprs, all).forEach((v, n) => {
      // what f32 cannot hold is infinite there
      const rounded = isFloat(exprs[n].type.dtype) ? Float32Array.from(v) : v
      expectClose(got.get(`${n}`) ?? [], rounded, 1e-6, `${n}`)
    })
  })
})
