/** How the JSON of transformers and PEFT is read: ranges, null for what is absent, and no key that changes arithmetic unknown. */
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'

/** A number of which something holds, said in words. */
export const numberThat = (name: string, holds: (n: number) => boolean): t.Type<number> => {
  const is = (u: unknown): u is number => typeof u === 'number' && holds(u)
  return new t.Type(name, is, (u, c) => (is(u) ? t.success(u) : t.failure(u, c)), t.identity)
}

/** A whole number between two others, both allowed. */
export const wholeIn = (min: number, max: number): t.Type<number> =>
  numberThat(`a whole number in [${min}, ${max}]`, (n) => Number.isSafeInteger(n) && n >= min && n <= max)

export const inRange = (min: number, below: number): t.Type<number> =>
  numberThat(`a number in [${min}, ${below})`, (n) => n >= min && n < below)
export const above = (low: number): t.Type<number> => numberThat(`a number above ${low}`, (n) => n > low && Number.isFinite(n))
export const from = (low: number): t.Type<number> => numberThat(`a number from ${low}`, (n) => n >= low && Number.isFinite(n))
export const optional = <C extends t.Mixed>(codec: C) => t.union([codec, t.null], `${codec.name}, or null`)

/** Sides are one number, or height and width. */
export const sideUpTo = (max: number) =>
  t.union([wholeIn(1, max), t.readonlyArray(wholeIn(1, max))], `a whole number in [1, ${max}], or a list of two such`)

/** A value without the keys of its records that are null, at any depth; `kept` stay. */
const withoutNulls = (u: unknown, kept: ReadonlyArray<string>): unknown => {
  if (Array.isArray(u)) return u.map((x: unknown) => withoutNulls(x, kept))
  if (typeof u !== 'object' || u === null) return u
  return Object.fromEntries(
    Object.entries(u)
      .filter(([key, x]) => x !== null || kept.includes(key))
      .map(([key, x]) => [key, withoutNulls(x, kept)]),
  )
}

/** Decodes as `codec` would in the place of one that wraps it, so that the paths of faults stay those of the value. */
const within = <A>(codec: t.Type<A, unknown>, u: unknown, c: t.Context): t.Validation<A> =>
  codec.validate(u, [...c.slice(0, -1), ...c.slice(-1).map((last) => ({ ...last, type: codec, actual: u }))])

/** The same for JSON in which null means absent, as in all that Python's libraries write; `kept` mean it otherwise. */
export const nullIsAbsent = <A>(codec: t.Type<A, unknown>, kept: ReadonlyArray<string> = []): t.Type<A, unknown> =>
  new t.Type(codec.name, codec.is, (u, c) => within(codec, withoutNulls(u, kept), c), codec.encode)

/** Keys that say nothing of the arithmetic of a frozen backbone: of training, of heads for tasks, of generation, of the files. */
const beside = new Set(
  `architectures _name_or_path transformers_version torch_dtype dtype name_or_path attn_implementation _attn_implementation _attn_implementation_autoset auto_map initializer_range
  hidden_dropout_prob attention_probs_dropout_prob attention_dropout hidden_dropout dropout encoder_stride pooler_output_size pooler_act apply_layernorm reshape_hidden_states
  out_features out_indices _out_features _out_indices stage_names num_labels id2label label2id problem_type classifier_dropout semantic_loss_ignore_index gradient_checkpointing return_dict
  output_hidden_states output_attentions use_return_dict use_cache chunk_size_feed_forward bos_token_id pad_token_id eos_token_id sep_token_id decoder_start_token_id cross_attention_hidden_size
  forced_bos_token_id forced_eos_token_id suppress_tokens begin_suppress_tokens tie_word_embeddings tie_encoder_decoder is_encoder_decoder encoder_no_repeat_ngram_size diversity_penalty
  length_penalty exponential_decay_length_penalty image_mean image_std return_class_token model_type`.split(/\s+/),
)

/** Words of keys that change what is computed. */
const arithmetic =
  /rope|rotary|theta|scal|norm|eps|act$|activation|bias|pool|window|attn|attention|mlp|ffn|embed|register|patch|head|layer|hidden|dim|gate|glu|pos|quant|prun|decoder|adapter|token/

const isNothing = (v: unknown): boolean =>
  v === null || v === undefined || v === false || v === '' || v === 'absolute' || (typeof v === 'object' && Object.keys(v).length === 0)

/** The first key that may change arithmetic and that nothing here reads. */
const strangeKey = (known: Readonly<Record<string, unknown>>, changing: RegExp, u: unknown): string | undefined =>
  t.UnknownRecord.is(u)
    ? Object.keys(u).find((key) => !Object.hasOwn(known, key) && !beside.has(key) && changing.test(key) && !isNothing(u[key]))
    : undefined

const unknownKey: t.Type<unknown> = new t.Type(
  'nothing: what it means for the arithmetic is not known here',
  (u): u is unknown => u === undefined,
  (u, c) => t.failure(u, c),
  t.identity,
)

/** A codec that refuses keys that are not known and may change arithmetic; others are passed over. */
export const knowing = <A>(
  codec: t.Type<A, unknown>,
  known: Readonly<Record<string, unknown>>,
  changing = arithmetic,
): t.Type<A, unknown> =>
  new t.Type(
    codec.name,
    codec.is,
    (u, c) => {
      const decoded = within(codec, u, c)
      const strange = strangeKey(known, changing, u)
      // what is another thing altogether is not told by a key of its own
      return E.isLeft(decoded) || strange === undefined || !t.UnknownRecord.is(u)
        ? decoded
        : t.failure(u[strange], [...c, { key: strange, type: unknownKey, actual: u[strange] }])
    },
    codec.encode,
  )
