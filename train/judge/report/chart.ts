/**
 * Charts: specifications of Vega-Lite, compiled and drawn as SVG when the page is written. A page with twenty of them stays below half a
 * megabyte and needs no script (the renderer alone would be larger, and the curves are thinned already); it prints, and opens from a
 * mail. Colours are custom properties of the page, so that one drawing is right in light and dark.
 */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Config, TopLevelSpec } from 'vega-lite'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Curve } from './curves.ts'
import type { Html } from './html.ts'
import { raw } from './html.ts'

/** Pixels of a chart at its natural size: the width of a phone's page. */
export const chartSize = { width: 330, height: 150 } as const

/** Colours that tell classes apart, as properties of the page. */
export const classColours: ReadonlyArray<string> = Array.from({ length: 10 }, (_, i) => `var(--class-${i})`)

const theme: Config = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  padding: 2,
  autosize: { type: 'fit', contains: 'padding' },
  view: { stroke: null },
  axis: {
    labelColor: 'var(--soft)',
    labelFontSize: 11,
    titleColor: 'var(--soft)',
    titleFontSize: 11,
    titleFontWeight: 'normal',
    gridColor: 'var(--line)',
    domain: false,
    ticks: false,
    labelPadding: 4,
    titlePadding: 4,
  },
  axisX: { grid: false },
  legend: {
    labelColor: 'var(--ink)',
    labelFontSize: 12,
    titleColor: 'var(--soft)',
    titleFontSize: 12,
    titleFontWeight: 'normal',
    symbolStrokeWidth: 0,
  },
  range: { category: [...classColours] },
}

/** Identifiers within a drawing, made its own: several stand on one page. */
const named = (svg: string, name: string): string =>
  svg.replaceAll(/\b(id="|url\(#|href="#)([\w-]+)/g, (_: string, before: string, id: string) => `${before}${name}-${id}`)

/** The drawing scales with its frame, up from phones. Its width and height stay as a ratio. */
const scaled = (svg: string, label: string): string =>
  svg.replace(/ width="[\d.]+" height="[\d.]+"/, ` role="img" aria-label="${label.replaceAll(/[^\w .,:-]/g, ' ')}"`)

/**
 * Draws charts; the libraries are loaded when the first page is written, not with every command. Fault: a specification that they refuse.
 */
export const draw = (
  charts: ReadonlyArray<{ readonly name: string; readonly label: string; readonly chart: TopLevelSpec }>,
): TaskEither<Fault, ReadonlyMap<string, Html>> =>
  TE.tryCatch(
    async () => {
      const [{ compile }, vega] = await Promise.all([import('vega-lite'), import('vega')])
      const drawn = new Map<string, Html>()
      const quiet = vega.logger(vega.None)
      for (const { name, label, chart } of charts) {
        const { spec } = compile(chart, { config: theme, logger: quiet })
        const svg = await new vega.View(vega.parse(spec), { renderer: 'none', logger: quiet }).toSVG()
        drawn.set(name, raw(scaled(named(svg, name), label)))
      }
      return drawn
    },
    (e) =>
      fault('data', {
        place: 'a chart of the report',
        found: messageOf(e),
        allowed: 'a specification of Vega-Lite',
        remedy: 'report this as a mistake of this program',
      }),
  )

/** The format of numbers from `low` to `high` by which four of them differ. */
const tickFormat = (low: number, high: number, isShare: boolean): string => {
  const apart = high > low ? (high - low) / 4 : 1
  const digits = (unit: number): number => Math.max(0, Math.min(6, -Math.floor(Math.log10(apart / unit))))
  if (isShare) return `.${digits(0.01)}%`
  const size = Math.max(Math.abs(low), Math.abs(high))
  return `.${Math.max(3, Math.min(9, digits(size) + 1))}~g`
}

/** Steps to the right, up to a last one, and a number of a format upwards. */
const axes = (to: number, format: string) => {
  const domain = [1, Math.max(to, 2)]
  const x = {
    field: 'step',
    type: 'quantitative',
    title: null,
    scale: { domain, nice: false },
    // half a step is none
    axis: { tickCount: 5, tickMinStep: 1, format: '~s', labelFlush: true },
  } as const
  const y = { type: 'quantitative', title: null, scale: { zero: false }, axis: { tickCount: 4, format } } as const
  return { x, y }
}

/** Curves over one another, each in its colour: the means of steps that lie together. */
export const comparedChart = (
  all: ReadonlyArray<{ readonly colour: string; readonly curve: Curve }>,
  to: number,
  isShare = false,
): TopLevelSpec => {
  const means = all.flatMap(({ curve }) => curve.bins.map((b) => b.mean))
  const { x, y } = axes(to, tickFormat(Math.min(...means), Math.max(...means), isShare))
  return {
    width: chartSize.width,
    height: chartSize.height,
    layer: all.map(({ colour, curve }) => ({
      data: { values: curve.bins.map(({ step, mean }) => ({ step, mean })) },
      mark: {
        type: 'line',
        color: colour,
        strokeWidth: 1.6,
        strokeJoin: 'round',
        ...(curve.bins.length <= 12 ? { point: { color: colour, size: 30, filled: true } } : {}),
      },
      encoding: { x, y: { ...y, field: 'mean' } },
    })),
  }
}

/**
 * A curve over steps: the mean of steps that lie together, and a band from the least to the largest of them. Sparse ones show their points.
 */
export const curveChart = (c: Curve, to: number, isShare = false): TopLevelSpec => {
  const format = tickFormat(Math.min(...c.bins.map((b) => b.low)), Math.max(...c.bins.map((b) => b.high)), isShare)
  const values = c.bins.map(({ step, mean, low, high }) => ({ step, mean, low, high }))
  const { x, y } = axes(to, format)
  const banded = c.bins.some((b) => b.count > 1)
  return {
    data: { values },
    width: chartSize.width,
    height: chartSize.height,
    layer: [
      ...(banded
        ? [
            {
              mark: { type: 'area', color: 'var(--accent)', opacity: 0.18 },
              encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
            } as const,
          ]
        : []),
      {
        mark: {
          type: 'line',
          color: 'var(--accent)',
          strokeWidth: 1.8,
          strokeJoin: 'round',
          ...(c.bins.length <= 12 ? { point: { color: 'var(--accent)', size: 36, filled: true } } : {}),
        },
        encoding: { x, y: { ...y, field: 'mean' } },
      },
    ],
  }
}
