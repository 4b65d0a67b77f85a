/**
 * What PyTorch's pickles may name (`torch/_utils.py`, `torch/serialization.py`): tensors, storages, and containers; never anything that
 * would have to run.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { ElementName } from '../element.ts'
import type { Maker, Pickled } from './pickle.ts'

/** Bytes that lie beside the pickle, under a key. */
export interface Storage {
  readonly key: string
  /** The element type, as `torch` calls it. */
  readonly type: string
  /** Where in the storage it begins, and its length, in elements. */
  readonly offset: number
  readonly length: number
}

export interface TorchTensor {
  readonly storage: Storage
  readonly type: string
  readonly offset: number
  readonly size: ReadonlyArray<number>
  readonly stride: ReadonlyArray<number>
}

export type Torch =
  | { readonly _tag: 'Storage'; readonly storage: Storage }
  | { readonly _tag: 'Tensor'; readonly tensor: TorchTensor }
  | { readonly _tag: 'Inert' }

export type TorchValue = Pickled<Torch>

/** Element types by the names of their storages and by those of `torch.dtype`. */
export const torchTypes: Readonly<Record<string, ElementName>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
}

const inert: TorchValue = { _tag: 'Made', made: { _tag: 'Inert' } }

/** Plain data beside tensors, of which no value is needed: settings, seeds, numbers of numpy. */
const passedOver = new Set([
  'argparse.Namespace',
  'torch.device',
  'torch.Size',
  'numpy.dtype',
  'numpy.ndarray',
  'datetime.datetime',
  'datetime.timedelta',
  'datetime.date',
  'fractions.Fraction',
  ...['core', '_core'].flatMap((c) => [`numpy.${c}.multiarray.scalar`, `numpy.${c}.multiarray._reconstruct`]),
  ...['PosixPath', 'WindowsPath', 'PurePosixPath', 'PureWindowsPath'].flatMap((p) => [`pathlib.${p}`, `pathlib._local.${p}`]),
  ...['builtins', '__builtin__'].flatMap((b) =>
    ['complex', 'slice', 'range', 'xrange', 'object', 'bytearray', 'bytes', 'int', 'float', 'str', 'unicode', 'bool', 'long'].map(
      (n) => `${b}.${n}`,
    ),
  ),
  '_codecs.encode',
  'copy_reg._reconstructor',
  'copyreg._reconstructor',
])

const containers: Readonly<Record<string, 'Dict' | 'List' | 'Tuple' | 'Set'>> = {
  'collections.OrderedDict': 'Dict',
  'collections.defaultdict': 'Dict',
  'collections.Counter': 'Dict',
  'collections.deque': 'List',
  ...Object.fromEntries(
    ['builtins', '__builtin__'].flatMap(
      (b) =>
        [
          [`${b}.dict`, 'Dict'],
          [`${b}.list`, 'List'],
          [`${b}.tuple`, 'Tuple'],
          [`${b}.set`, 'Set'],
          [`${b}.frozenset`, 'Set'],
        ] as const,
    ),
  ),
}

const isType = (name: string): boolean => /^torch\.(?:cuda\.)?\w+$/.test(name) && Object.hasOwn(torchTypes, lastPart(name))

/** Types that are named, and whose values cannot be read here. */
const isForeignType = (name: string): boolean =>
  /^torch\.(?:cuda\.|storage\.)?(?:\w+Storage|(?:float|u?int|q?u?int|bfloat|complex|bits)\w*)$/.test(name)

const lastPart = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

const wholes = (v: TorchValue | undefined): ReadonlyArray<number> | undefined => {
  if (typeof v !== 'object' || v === null || (v._tag !== 'Tuple' && v._tag !== 'List')) return undefined
  const out = v.items.flatMap((n) => (typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 ? [n] : []))
  return out.length === v.items.length ? out : undefined
}

const storageOf = (v: TorchValue | undefined): Storage | undefined =>
  typeof v === 'object' && v !== null && v._tag === 'Made' && v.made._tag === 'Storage' ? v.made.storage : undefined

const nameOf = (v: TorchValue | undefined): string | undefined =>
  typeof v === 'object' && v !== null && v._tag === 'Name' ? v.name : undefined

const tensor = (args: ReadonlyArray<TorchValue>, type?: string): Either<string, TorchValue> => {
  const [storage, offset, size, stride] = [storageOf(args[0]), args[1], wholes(args[2]), wholes(args[3])]
  return storage === undefined ||
    typeof offset !== 'number' ||
    size?.length !== stride?.length ||
    size === undefined ||
    stride === undefined
    ? E.left('a tensor without a storage, an offset, a size and a stride')
    : E.right({ _tag: 'Made', made: { _tag: 'Tensor', tensor: { storage, type: type ?? storage.type, offset, size, stride } } })
}

/** What functions that rebuild tensors give: their data alone. */
const rebuilt: Readonly<Record<string, (args: ReadonlyArray<TorchValue>) => Either<string, TorchValue>>> = {
  'torch._utils._rebuild_tensor': (args) => tensor(args),
  'torch._utils._rebuild_tensor_v2': (args) => tensor(args),
  'torch._utils._rebuild_tensor_v3': (args) => tensor(args, lastPart(nameOf(args[6]) ?? '')),
  'torch._utils._rebuild_parameter': ([data]) => E.right(data ?? null),
  'torch._utils._rebuild_parameter_with_state': ([data]) => E.right(data ?? null),
  // a parameter of a class of its own: (function, class, arguments, state)
  'torch._tensor._rebuild_from_type_v2': ([of, , args]) => {
    const inner = rebuilt[nameOf(of) ?? '']
    return inner === undefined || typeof args !== 'object' || args === null || args._tag !== 'Tuple'
      ? E.left(`a tensor made by ${nameOf(of) ?? 'no name'}`)
      : inner(args.items)
  },
}

const classes = new Set(['torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer', 'torch.Tensor', 'torch._tensor.Tensor'])

/** Pairs of a list, for a dictionary that is made of one. */
const pairs = (v: TorchValue | undefined): Array<readonly [TorchValue, TorchValue]> =>
  typeof v === 'object' && v !== null && v._tag === 'List'
    ? v.items.flatMap((p) =>
        typeof p === 'object' && p !== null && (p._tag === 'Tuple' || p._tag === 'List') && p.items.length === 2
          ? [[p.items[0], p.items[1]] as const]
          : [],
      )
    : typeof v === 'object' && v !== null && v._tag === 'Dict'
      ? [...v.entries]
      : []

const container = (tag: 'Dict' | 'List' | 'Tuple' | 'Set', args: ReadonlyArray<TorchValue>): TorchValue => {
  if (tag === 'Dict') return { _tag: 'Dict', entries: args.flatMap((a) => pairs(a)) }
  const [of] = args
  return { _tag: tag, items: typeof of === 'object' && of !== null && 'items' in of ? [...of.items] : [] }
}

/** `('storage', type, key, place, length)`, and a view of it in files before PyTorch 1.6. */
const outside = (id: TorchValue): Either<string, TorchValue> => {
  if (typeof id !== 'object' || id === null || id._tag !== 'Tuple') return E.left('a reference that is no storage')
  const [tag, type, key, , length, view] = id.items
  const name = nameOf(type)
  if (tag !== 'storage' || name === undefined || (typeof key !== 'string' && typeof key !== 'number') || typeof length !== 'number')
    return E.left(`a reference to ${tag === 'module' ? 'a module of Python, source and all' : 'something that is no storage'}`)
  const part = typeof view === 'object' && view !== null && view._tag === 'Tuple' ? view.items : []
  const [, offset = 0, size = length] = part
  return typeof offset === 'number' && typeof size === 'number'
    ? E.right({ _tag: 'Made', made: { _tag: 'Storage', storage: { key: String(key), type: lastPart(name), offset, length: size } } })
    : E.left('a view of a storage without its place')
}

export const torchMaker: Maker<Torch> = {
  knows: (name) =>
    isType(name) ||
    isForeignType(name) ||
    Object.hasOwn(rebuilt, name) ||
    Object.hasOwn(containers, name) ||
    passedOver.has(name) ||
    classes.has(name),
  make: (name, args) => {
    if (Object.hasOwn(rebuilt, name)) return rebuilt[name](args)
    if (Object.hasOwn(containers, name)) return E.right(container(containers[name], args))
    return passedOver.has(name) ? E.right(inert) : E.left(`a call of ${name}`)
  },
  outside,
}

/** Nesting beyond it is no state of a network. */
const deepest = 32

/** All tensors that a value holds, by the keys on the way to them: `teacher.backbone.cls_token`. */
export const tensorsIn = (root: TorchValue): ReadonlyMap<string, TorchTensor> => {
  const out = new Map<string, TorchTensor>()
  const walk = (v: TorchValue, path: ReadonlyArray<string>): void => {
    if (typeof v !== 'object' || v === null || path.length > deepest) return
    if (v._tag === 'Made' && v.made._tag === 'Tensor') out.set(path.join('.'), v.made.tensor)
    if (v._tag === 'Dict')
      for (const [key, x] of v.entries) if (typeof key === 'string' || typeof key === 'number') walk(x, [...path, String(key)])
    if (v._tag === 'List' || v._tag === 'Tuple')
      v.items.forEach((x, i) => {
        walk(x, [...path, String(i)])
      })
  }
  walk(root, [])
  return out
}
