/** Named leaves by role, for those who build a graph: what is given at a run, and what lives on the device between runs. */
import type { Distribution, Expr } from './expr.ts'
import { leaf } from './expr.ts'
import type { Declaration } from './model.ts'
import { join } from './tree.ts'
import type { Shape } from './type.ts'
import { tensorType } from './type.ts'

/** An f32 tensor that every run is given: `batch.global`. */
export const input = (path: string, shape: Shape): Expr => leaf(tensorType('f32', shape), { _tag: 'Input', path })

/** A scalar that schedules change, given at every run as `hyper.name`: it is an input, so nothing is recompiled. */
export const hyper = (name: string): Expr => leaf(tensorType('f32', []), { _tag: 'Hyper', path: join('hyper', name) })

/** A parameter that lives on the device. */
export const parameter = (path: string, d: Declaration): Expr => leaf(tensorType(d.dtype, d.shape), { _tag: 'Param', path })

/** Other state that lives on the device: moments, centres, counters. */
export const resident = (path: string, d: Declaration): Expr => leaf(tensorType(d.dtype, d.shape), { _tag: 'State', path })

/** A random f32 tensor, a function of the run's seed and step and of `path`: no two draws may share a path. */
export const random = (path: string, distribution: Distribution, shape: Shape): Expr =>
  leaf(tensorType('f32', shape), { _tag: 'Draw', path, distribution })
