/** The page's style: light and dark by the reader's own choice, one column on phones. */

export const style = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #596577; --line: #e3e7ee; --accent: #2f66d0; --good: #1d7f4f; --bad: #b3372f; --warn: #8a5a00;
  --class-0: #2f66d0; --class-1: #d9702b; --class-2: #2b9a66; --class-3: #c13c54; --class-4: #7d53c4; --class-5: #8a6238; --class-6: #d05ba5; --class-7: #6b7687; --class-8: #9a9a1f; --class-9: #1f9db0; --rest: #aab2bf; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161d; --card: #1b212b; --ink: #e8ecf3; --soft: #a3aebf; --line: #303947; --accent: #7aa5ff; --good: #5fce97; --bad: #ff8f86; --warn: #e5b95c;
  --class-0: #7aa5ff; --class-1: #f6a065; --class-2: #5fce97; --class-3: #ff8296; --class-4: #b89bf5; --class-5: #c9a27a; --class-6: #f597d3; --class-7: #a3aebf; --class-8: #d6d65c; --class-9: #5fd3e4; --rest: #566173; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 28px; }
footer { padding: 24px 16px 40px; color: var(--soft); font-size: 14px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 20px 0 6px; }
p { margin: 6px 0; max-width: 75ch; }
.note { color: var(--soft); font-size: 14px; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 12px 0 4px; font-size: 14px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px; margin: 16px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; margin: 16px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px; }
.tile b { display: block; overflow-wrap: anywhere; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 18px 24px; margin-top: 10px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 14px; display: flex; justify-content: space-between; gap: 12px; }
figcaption b { font-weight: 600; }
figcaption span { color: var(--soft); font-variant-numeric: tabular-nums; }
figure svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; font-size: 14px; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
dl { margin: 8px 0; font-size: 14px; }
dl div { display: grid; grid-template-columns: minmax(110px, 190px) 1fr; gap: 12px; padding: 4px 0; border-bottom: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--accent); font-size: 14px; }
pre { overflow: auto; max-height: 480px; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; padding: 12px; font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, monospace; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 99px; padding: 0 10px; font-size: 13px; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.fold { margin: 0; }
.look { display: grid; grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); gap: 10px; padding: 12px 0; }
.fold + .fold { border-top: 1px solid var(--line); }
.fold > summary { padding: 9px 0; overflow-wrap: anywhere; }
.option { white-space: nowrap; }
.verdict { font-size: 18px; margin: 12px 0 0; }
.look figure img, .near img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; border-radius: 4px; background: #000; }
.look figcaption { display: block; font-size: 12px; color: var(--soft); line-height: 1.3; margin-top: 3px; overflow-wrap: anywhere; }
.frame { position: relative; }
.over { position: absolute; inset: 0; width: 100%; height: 100%; }
.over rect { fill: none; stroke-width: 2.5px; vector-effect: non-scaling-stroke; }
.over .found { stroke: #ffc928; } .over .true { stroke: #35d0ff; stroke-dasharray: 5 3; }
.key { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 14px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 6px; }
.near { display: grid; grid-template-columns: repeat(7, minmax(0, 72px)); gap: 6px; padding: 8px 0; overflow-wrap: anywhere; }
.near figure:first-child img { outline: 2px solid var(--soft); }
.nears { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); gap: 4px 32px; }
.near figcaption { display: block; font-size: 12px; line-height: 1.25; text-align: center; color: var(--soft); margin-top: 2px; }
.near .same img { outline: 2px solid var(--good); } .near .other img { outline: 2px solid var(--bad); }
.wide { max-width: 680px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 4px 32px; }
@media (max-width: 560px) { section { padding: 14px 12px; } header, main, footer { padding-left: 10px; padding-right: 10px; } h1 { font-size: 23px; } .look { grid-template-columns: repeat(3, minmax(0, 1fr)); } .near { gap: 4px; } }
@supports selector(::details-content) { @media print, (min-width: 561px) { .fold > summary { display: none; } .fold::details-content { content-visibility: visible; } } }
@media print { section { break-inside: avoid; } }
`
