/** The printed form of small programs: what a person reads. `npx vitest run spec/golden -u` writes it anew. */
import { describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { leaf, table } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { context, inScope } from '../../core/model.ts'
import { print } from '../../core/print.ts'
import { range, tensorType } from '../../core/type.ts'
import { add, mul, sub } from '../../ops/elementwise.ts'
import { crossEntropy, layerNorm, linear, oneHot, softmax } from '../../ops/nn.ts'
import { mean, sum } from '../../ops/reduce.ts'
import { input } from '../support/tensor.ts'

const printed = (name: string, outputs: ReadonlyArray<Output>): string => print({ name, outputs })

const x = input('x', [2, 3])
const [weight, bias] = [input('weight', [3]), input('bias', [3])]

describe('the printed form', () => {
  it('of softmax', () => {
    expect(printed('softmax', [value('y', softmax()(x))])).toMatchInlineSnapshot(`
      "graph softmax
        %0 = input x : f32[2, 3]
        %1 = reduceMax {"axes":[1]} (%0) : f32[2]
        %2 = reshape {"shape":[2,1]} (%1) : f32[2, 1]
        %3 = stopGradient (%2) : f32[2, 1]
        %4 = reshape {"shape":[2]} (%3) : f32[2]
        %5 = broadcast {"shape":[2,3],"axes":[0]} (%4) : f32[2, 3]
        %6 = sub (%0, %5) : f32[2, 3]
        %7 = exp (%6) : f32[2, 3]
        %8 = sum {"axes":[1]} (%7) : f32[2]
        %9 = reshape {"shape":[2,1]} (%8) : f32[2, 1]
        %10 = reshape {"shape":[2]} (%9) : f32[2]
        %11 = broadcast {"shape":[2,3],"axes":[0]} (%10) : f32[2, 3]
        %12 = div (%7, %11) : f32[2, 3]
        return y = %12
      "
    `)
  })

  it('of softmax and its gradient', () => {
    expect(printed('softmax gradient', [value('dx', grad(sum()(mul(softmax()(x), input('ct', [2, 3]))), [x])[0])])).toMatchInlineSnapshot(`
      "graph softmax gradient
        %0 = fill 1 : f32[2, 3]
        %1 = input ct : f32[2, 3]
        %2 = mul (%0, %1) : f32[2, 3]
        %3 = input x : f32[2, 3]
        %4 = reduceMax {"axes":[1]} (%3) : f32[2]
        %5 = reshape {"shape":[2,1]} (%4) : f32[2, 1]
        %6 = stopGradient (%5) : f32[2, 1]
        %7 = reshape {"shape":[2]} (%6) : f32[2]
        %8 = broadcast {"shape":[2,3],"axes":[0]} (%7) : f32[2, 3]
        %9 = sub (%3, %8) : f32[2, 3]
        %10 = exp (%9) : f32[2, 3]
        %11 = sum {"axes":[1]} (%10) : f32[2]
        %12 = reshape {"shape":[2,1]} (%11) : f32[2, 1]
        %13 = reshape {"shape":[2]} (%12) : f32[2]
        %14 = broadcast {"shape":[2,3],"axes":[0]} (%13) : f32[2, 3]
        %15 = div (%2, %14) : f32[2, 3]
        %16 = div (%10, %14) : f32[2, 3]
        %17 = mul (%15, %16) : f32[2, 3]
        %18 = neg (%17) : f32[2, 3]
        %19 = sum {"axes":[1]} (%18) : f32[2]
        %20 = reshape {"shape":[2,1]} (%19) : f32[2, 1]
        %21 = reshape {"shape":[2]} (%20) : f32[2]
        %22 = broadcast {"shape":[2,3],"axes":[0]} (%21) : f32[2, 3]
        %23 = add (%15, %22) : f32[2, 3]
        %24 = mul (%23, %10) : f32[2, 3]
        return dx = %24
      "
    `)
  })

  it('of layerNorm', () => {
    expect(printed('layerNorm', [value('y', layerNorm(1e-6)(x, weight, bias))])).toMatchInlineSnapshot(`
      "graph layerNorm
        %0 = input x : f32[2, 3]
        %1 = sum {"axes":[1]} (%0) : f32[2]
        %2 = fill 0.3333333333333333 : f32[2]
        %3 = mul (%1, %2) : f32[2]
        %4 = reshape {"shape":[2,1]} (%3) : f32[2, 1]
        %5 = reshape {"shape":[2]} (%4) : f32[2]
        %6 = broadcast {"shape":[2,3],"axes":[0]} (%5) : f32[2, 3]
        %7 = sub (%0, %6) : f32[2, 3]
        %8 = mul (%7, %7) : f32[2, 3]
        %9 = sum {"axes":[1]} (%8) : f32[2]
        %10 = mul (%9, %2) : f32[2]
        %11 = reshape {"shape":[2,1]} (%10) : f32[2, 1]
        %12 = fill 0.000001 : f32[2, 1]
        %13 = add (%11, %12) : f32[2, 1]
        %14 = rsqrt (%13) : f32[2, 1]
        %15 = reshape {"shape":[2]} (%14) : f32[2]
        %16 = broadcast {"shape":[2,3],"axes":[0]} (%15) : f32[2, 3]
        %17 = mul (%7, %16) : f32[2, 3]
        %18 = input weight : f32[3]
        %19 = broadcast {"shape":[2,3],"axes":[1]} (%18) : f32[2, 3]
        %20 = mul (%17, %19) : f32[2, 3]
        %21 = input bias : f32[3]
        %22 = broadcast {"shape":[2,3],"axes":[1]} (%21) : f32[2, 3]
        %23 = add (%20, %22) : f32[2, 3]
        return y = %23
      "
    `)
  })

  it('of layerNorm and its gradients', () => {
    // an input of its own: an expression keeps the scope in which it was first made
    const tokens = input('tokens', [2, 3])
    const y = inScope(context('train'), 'norm', () => layerNorm(1e-6)(tokens, weight, bias))
    const [dx, dw, db] = grad(sum()(mul(y, input('ct', [2, 3]))), [tokens, weight, bias])
    expect(printed('layerNorm gradient', [value('dx', dx), value('dweight', dw), value('dbias', db)])).toMatchInlineSnapshot(`
      "graph layerNorm gradient
        %0 = fill 1 : f32[2, 3]
        %1 = input ct : f32[2, 3]
        %2 = mul (%0, %1) : f32[2, 3]
        %3 = input weight : f32[3]
        %4 = broadcast {"shape":[2,3],"axes":[1]} (%3) : f32[2, 3]
        %5 = mul (%2, %4) : f32[2, 3]                                           # norm
        %6 = input tokens : f32[2, 3]
        %7 = sum {"axes":[1]} (%6) : f32[2]                                     # norm
        %8 = fill 0.3333333333333333 : f32[2]
        %9 = mul (%7, %8) : f32[2]                                              # norm
        %10 = reshape {"shape":[2,1]} (%9) : f32[2, 1]                          # norm
        %11 = reshape {"shape":[2]} (%10) : f32[2]                              # norm
        %12 = broadcast {"shape":[2,3],"axes":[0]} (%11) : f32[2, 3]            # norm
        %13 = sub (%6, %12) : f32[2, 3]                                         # norm
        %14 = mul (%13, %13) : f32[2, 3]                                        # norm
        %15 = sum {"axes":[1]} (%14) : f32[2]                                   # norm
        %16 = mul (%15, %8) : f32[2]                                            # norm
        %17 = reshape {"shape":[2,1]} (%16) : f32[2, 1]                         # norm
        %18 = fill 0.000001 : f32[2, 1]
        %19 = add (%17, %18) : f32[2, 1]                                        # norm
        %20 = rsqrt (%19) : f32[2, 1]                                           # norm
        %21 = reshape {"shape":[2]} (%20) : f32[2]                              # norm
        %22 = broadcast {"shape":[2,3],"axes":[0]} (%21) : f32[2, 3]            # norm
        %23 = mul (%5, %22) : f32[2, 3]                                         # norm
        %24 = mul (%5, %13) : f32[2, 3]                                         # norm
        %25 = sum {"axes":[1]} (%24) : f32[2]                                   # norm
        %26 = reshape {"shape":[2,1]} (%25) : f32[2, 1]                         # norm
        %27 = fill -0.5 : f32[2, 1]
        %28 = mul (%26, %27) : f32[2, 1]                                        # norm
        %29 = mul (%20, %20) : f32[2, 1]                                        # norm
        %30 = mul (%20, %29) : f32[2, 1]                                        # norm
        %31 = mul (%28, %30) : f32[2, 1]                                        # norm
        %32 = reshape {"shape":[2]} (%31) : f32[2]                              # norm
        %33 = mul (%32, %8) : f32[2]                                            # norm
        %34 = broadcast {"shape":[2,3],"axes":[0]} (%33) : f32[2, 3]            # norm
        %35 = mul (%34, %13) : f32[2, 3]                                        # norm
        %36 = add (%23, %35) : f32[2, 3]                                        # norm
        %37 = add (%36, %35) : f32[2, 3]                                        # norm
        %38 = neg (%37) : f32[2, 3]                                             # norm
        %39 = sum {"axes":[1]} (%38) : f32[2]                                   # norm
        %40 = reshape {"shape":[2,1]} (%39) : f32[2, 1]                         # norm
        %41 = reshape {"shape":[2]} (%40) : f32[2]                              # norm
        %42 = mul (%41, %8) : f32[2]                                            # norm
        %43 = broadcast {"shape":[2,3],"axes":[0]} (%42) : f32[2, 3]            # norm
        %44 = add (%37, %43) : f32[2, 3]                                        # norm
        %45 = mul (%13, %22) : f32[2, 3]                                        # norm
        %46 = mul (%2, %45) : f32[2, 3]                                         # norm
        %47 = sum {"axes":[0]} (%46) : f32[3]
        %48 = sum {"axes":[0]} (%2) : f32[3]
        return dx = %44
        return dweight = %47
        return dbias = %48
      "
    `)
  })

  it('of a step that trains one layer, with all kinds of leaves', () => {
    const w = leaf(tensorType('f32', [4, 3]), { _tag: 'Param', path: 'head.weight' })
    const steps = leaf(tensorType('i32', []), { _tag: 'State', path: 'steps' })
    const rate = leaf(tensorType('f32', []), { _tag: 'Hyper', path: 'rate' })
    const noise = leaf(tensorType('f32', [2, 3]), { _tag: 'Draw', path: 'noise', distribution: { _tag: 'Normal', mean: 0, std: 0.1 } })
    const logits = inScope(context('train'), 'head', () => linear(add(x, noise), w))
    const loss = mean()(crossEntropy(logits, oneHot(4)(table('i32', [2], [3, 1]))))
    expect(
      printed('step', [state('head.weight', sub(w, mul(grad(loss, [w])[0], rate))), state('steps', add(steps, 1)), value('loss', loss)]),
    ).toMatchInlineSnapshot(`
      "graph step
        %0 = param head.weight : f32[4, 3]
        %1 = fill 1 : f32[]
        %2 = fill 0.5 : f32[]
        %3 = mul (%1, %2) : f32[]
        %4 = broadcast {"shape":[2],"axes":[]} (%3) : f32[2]
        %5 = neg (%4) : f32[2]
        %6 = broadcast {"shape":[2,4],"axes":[0]} (%5) : f32[2, 4]
        %7 = table [3 1] : i32[2]
        %8 = reshape {"shape":[2,1]} (%7) : i32[2, 1]
        %9 = reshape {"shape":[2]} (%8) : i32[2]
        %10 = broadcast {"shape":[2,4],"axes":[0]} (%9) : i32[2, 4]
        %11 = iota {"shape":[2,4],"axis":1} () : i32[2, 4]
        %12 = eq (%10, %11) : bool[2, 4]
        %13 = cast {"to":"f32"} (%12) : f32[2, 4]
        %14 = mul (%6, %13) : f32[2, 4]
        %15 = neg (%14) : f32[2, 4]
        %16 = sum {"axes":[1]} (%15) : f32[2]
        %17 = reshape {"shape":[2,1]} (%16) : f32[2, 1]
        %18 = input x : f32[2, 3]
        %19 = draw noise {"_tag":"Normal","mean":0,"std":0.1} : f32[2, 3]
        %20 = add (%18, %19) : f32[2, 3]                                        # head
        %21 = dot {"leftBatch":[],"rightBatch":[],"left":[1],"right":[1]} (%20, %0) : f32[2, 4]  # head
        %22 = reduceMax {"axes":[1]} (%21) : f32[2]
        %23 = reshape {"shape":[2,1]} (%22) : f32[2, 1]
        %24 = stopGradient (%23) : f32[2, 1]
        %25 = reshape {"shape":[2]} (%24) : f32[2]
        %26 = broadcast {"shape":[2,4],"axes":[0]} (%25) : f32[2, 4]
        %27 = sub (%21, %26) : f32[2, 4]
        %28 = exp (%27) : f32[2, 4]
        %29 = sum {"axes":[1]} (%28) : f32[2]
        %30 = reshape {"shape":[2,1]} (%29) : f32[2, 1]
        %31 = div (%17, %30) : f32[2, 1]
        %32 = reshape {"shape":[2]} (%31) : f32[2]
        %33 = broadcast {"shape":[2,4],"axes":[0]} (%32) : f32[2, 4]
        %34 = mul (%33, %28) : f32[2, 4]
        %35 = add (%14, %34) : f32[2, 4]
        %36 = dot {"leftBatch":[],"rightBatch":[],"left":[0],"right":[0]} (%35, %20) : f32[4, 3]  # head
        %37 = hyper rate : f32[]
        %38 = broadcast {"shape":[4,3],"axes":[]} (%37) : f32[4, 3]
        %39 = mul (%36, %38) : f32[4, 3]
        %40 = sub (%0, %39) : f32[4, 3]
        %41 = state steps : i32[]
        %42 = fill 1 : i32[]
        %43 = add (%41, %42) : i32[]
        %44 = log (%30) : f32[2, 1]
        %45 = reshape {"shape":[2]} (%44) : f32[2]
        %46 = broadcast {"shape":[2,4],"axes":[0]} (%45) : f32[2, 4]
        %47 = sub (%27, %46) : f32[2, 4]
        %48 = mul (%13, %47) : f32[2, 4]
        %49 = sum {"axes":[1]} (%48) : f32[2]
        %50 = neg (%49) : f32[2]
        %51 = sum {"axes":[0]} (%50) : f32[]
        %52 = mul (%51, %2) : f32[]
        return state head.weight = %40
        return state steps = %43
        return loss = %52
      "
    `)
  })

  it('of a long table is cut short', () => {
    expect(printed('table', [value('t', table('i32', [12], range(12)))])).toMatchInlineSnapshot(`
      "graph table
        %0 = table [0 1 2 3 4 5 6 7 … 12] : i32[12]
        return t = %0
      "
    `)
  })
})
