/**
 * A method as a value: networks, what they are judged by, and what a step is fed besides crops. It is built once for settings and images;
 * the types of its networks' parameters are known where it is built, and do not matter after that.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { HostValues } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Exprs, Model } from '../../core/model.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import type { Loss } from '../../losses/loss.ts'
import type { BackboneFeatures, Pair, Views } from '../../models/dino.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import type { Vit } from '../../models/vit.ts'
import type { Batch } from './batch.ts'
import type { Objective } from './objective.ts'
import { objective } from './objective.ts'
import type { Strategy } from './strategies/strategy.ts'
import { noStrategy } from './strategies/strategy.ts'

/** What a backbone says of whole images; where its class token looks, if it has attention. */
export interface SeeingFeatures extends BackboneFeatures {
  /** `[B, heads, T, T]` */
  readonly attention?: Expr
}

/** A backbone that methods are made of: `I` is what it is given, images alone or with some patches hidden. */
export interface Backbone<B, I = Expr> extends Model<B, I, SeeingFeatures> {
  /** Components of its features. */
  readonly width: number
  /** Pixels along the side of a patch. */
  readonly patch: number
  /** Blocks, where the learning rate falls from one to the next (`blocks.N` in the names of their parameters). Default 0. */
  readonly blocks?: number
  /** Itself, where it is a Vision Transformer: what other programs can read it as. Not taken at its word: features must be equal. */
  readonly vit?: Vit
  /** Itself, where it is a backbone with stages. The same holds of it. */
  readonly pyramid?: Pyramid
}

/** A backbone as it is, its parameters' type read off them: `backbone({ width, patch, params, apply: (context, p) => (images) => … })`. */
export const backbone = <B, I = Expr>(b: Backbone<B, I>): Backbone<B, I> => b

/** A backbone whatever its parameters are, as evaluations see it. */
export interface AnyBackbone {
  /** Its parameters as declared. */
  readonly params: unknown
  /** Its features of images, with its parameters under `ROOT.backbone`. */
  readonly features: (root: string, images: Expr) => SeeingFeatures
  /** Pixels along the side of a patch. */
  readonly patch: number
  readonly vit: Option<Vit>
  readonly pyramid: Option<Pyramid>
}

const featuresOf =
  <B>(b: Model<B, Expr, SeeingFeatures>) =>
  (root: string, images: Expr): SeeingFeatures => {
    const leaves: Exprs<B> = leavesOf(join(root, 'backbone'), b.params)
    return call(b, context('eval'), 'features', leaves, images)
  }

/** A network that other programs know. */
interface Known<B> extends Model<B, Expr, SeeingFeatures> {
  readonly patch: number
  readonly options: { readonly channels: number }
}

/**
 * Whether features are those of a network that is known: equal expressions are one object. What was made of a ViT may have another stem,
 * other blocks, or the mean of patches in place of the class token.
 */
const isOf = <B>(features: AnyBackbone['features'], model: Known<B>): boolean => {
  const { patch, options } = model
  const images = input('images', [1, options.channels, 2 * patch, 3 * patch])
  const [own, plain] = [features('', images), featuresOf(model)('', images)]
  return own.cls === plain.cls && own.patches === plain.patches
}

export const anyBackbone = <B>(b: Backbone<B>): AnyBackbone => {
  const features = featuresOf(b)
  return {
    params: b.params,
    features,
    patch: b.patch,
    vit: pipe(
      O.fromNullable(b.vit),
      O.filter((model) => isOf(features, model)),
    ),
    pyramid: pipe(
      O.fromNullable(b.pyramid),
      O.filter((model) => isOf(features, model)),
    ),
  }
}

/** A network that is judged, and where its tensors live: `teacher`, `ema`. */
export interface Judged extends AnyBackbone {
  readonly root: string
}

/** Further inputs of a step by path, from the run's seed and the step's number. */
export type StepFeed = (seed: number, step: number) => HostValues

/** A network that is judged beside the product of a run. */
export interface Compared extends Judged {
  /** Whether the run made it: then it is handed on as the product is. */
  readonly isMade: boolean
}

export interface Method {
  /** The objective of a batch, and the roles of all tensors. */
  readonly objective: (batch: Batch<Views>) => Either<Fault, Objective>
  /** What a step is fed besides crops and hypers: masks. */
  readonly feed: StepFeed
  /** The network that a run is judged by, and that is its product. */
  readonly evaluated: Judged
  /** Networks that are judged beside it when training is over, by name. */
  readonly beside: Readonly<Record<string, Compared>>
  /** Where the student's prototypes are, those of class tokens first: `head.last_layer`. */
  readonly prototypes: ReadonlyArray<string>
  /** Blocks of the student's backbone. */
  readonly blocks: number
}

export interface MethodOptions<B, P, Q, S, T> {
  /** The student's backbone, which the evaluated network has too. */
  readonly backbone: Backbone<B>
  readonly pair: Pair<P, Q, Views, S, T>
  readonly loss: Loss<{ readonly images: number; readonly student: S; readonly teacher: T }>
  /** Default: nothing. */
  readonly feed?: StepFeed
  /** The root of the evaluated network. Default `teacher`. */
  readonly evaluated?: string
  /** Networks that are judged beside it when training is over, by name. Default: none. */
  readonly beside?: Readonly<Record<string, Compared>>
  /** Where the student's prototypes are: `head.last_layer`. Default: nowhere. */
  readonly prototypes?: ReadonlyArray<string>
  /** Other roles than those of a teacher that follows its student. Default: noStrategy. */
  readonly roles?: Strategy
}

/** Makes a method of its networks and its loss. */
export const method = <B, P, Q, S, T>(o: MethodOptions<B, P, Q, S, T>): Method => ({
  objective: (batch) => pipe(objective({ model: o.pair, loss: o.loss, batch }), E.chain(o.roles ?? noStrategy)),
  feed: o.feed ?? (() => new Map()),
  evaluated: { root: o.evaluated ?? 'teacher', ...anyBackbone(o.backbone) },
  beside: o.beside ?? {},
  prototypes: o.prototypes ?? [],
  blocks: o.backbone.blocks ?? 0,
})

/** Whether a path in a network is one of the prototypes of a method. */
export const isPrototype =
  ({ prototypes }: Pick<Method, 'prototypes'>) =>
  ({ path }: { readonly path: string }): boolean =>
    prototypes.some((root) => path.startsWith(`${root}.`))
