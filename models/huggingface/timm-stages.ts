/** timm's names of backbones with stages (`convnext.py`, `swin_transformer.py`), whatever stands before them, as the official ones. */

type Rename = readonly [pattern: RegExp, to: string]

const convnext: ReadonlyArray<Rename> = [
  [/(^|\.)stem\.([01])\./, '$1downsample_layers.0.$2.'],
  [/(^|\.)stages\.(\d+)\.downsample\.([01])\./, '$1downsample_layers.$2.$3.'],
  [/(^|\.)stages\.(\d+)\.blocks\.(\d+)\.conv_dw\./, '$1stages.$2.$3.dwconv.'],
  [/(^|\.)stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\./, '$1stages.$2.$3.pwconv$4.'],
  [/(^|\.)stages\.(\d+)\.blocks\.(\d+)\./, '$1stages.$2.$3.'],
  [/(^|\.)head\.norm\./, '$1norm.'],
]

const isConvnext = (name: string): boolean => /(?:^|\.)stages\.0\.blocks\.0\.conv_dw\.weight$/.test(name)

/** What ends a stage officially begins the next one there. */
const isShifted = (names: ReadonlyArray<string>): boolean =>
  names.some((n) => /(?:^|\.)layers\.0\.blocks\.0\.attn\.relative_position_bias_table$/.test(n)) &&
  names.some((n) => /(?:^|\.)layers\.1\.downsample\.reduction\.weight$/.test(n)) &&
  !names.some((n) => /(?:^|\.)layers\.0\.downsample\./.test(n))

const earlier = (name: string): string =>
  name.replace(/(^|\.)layers\.(\d+)\.downsample\./, (_, before: string, i: string) => `${before}layers.${Number(i) - 1}.downsample.`)

/** How a file's names become official ones; none where they are not timm's. */
export const timmStages = (names: ReadonlyArray<string>): ((name: string) => string) | undefined =>
  names.some(isConvnext)
    ? (name) => convnext.reduce((n, [pattern, to]) => n.replace(pattern, to), name)
    : isShifted(names)
      ? earlier
      : undefined
