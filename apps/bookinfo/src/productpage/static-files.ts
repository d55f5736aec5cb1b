/** The two files that the page loads; kept in the program, so that it is one file. */

export const STYLESHEET = `
:root {
  color-scheme: light dark;
  --paper: #faf7f2; --card: #ffffff; --ink: #1f2328; --quiet: #5c6470; --line: #e4ddd2;
  --accent: #0b6e69; --accent-ink: #ffffff; --red: #c62828; --warn: #8a3b12; --warn-paper: #fdf0e6;
  font: 16px/1.6 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --card: #1e2329; --ink: #eceff2; --quiet: #a3acb8; --line: #323a43;
    --accent: #5fc9c1; --accent-ink: #08211f; --red: #ff7b72; --warn: #ffb889; --warn-paper: #33221a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); min-height: 100vh; display: flex; flex-direction: column; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
header { display: flex; align-items: center; justify-content: space-between; padding: .9rem clamp(1rem, 5vw, 4rem);
  border-bottom: 1px solid var(--line); background: var(--card); }
.brand { font: 700 1.25rem/1 Georgia, "Times New Roman", serif; text-decoration: none; color: var(--ink); }
.brand span { color: var(--accent); }
.account { position: relative; margin: 0; display: flex; gap: .6rem; align-items: center; }
.account summary, .button, button { cursor: pointer; list-style: none; background: var(--accent); color: var(--accent-ink);
  border: 0; border-radius: 999px; padding: .45rem 1.1rem; font: inherit; font-weight: 600; text-decoration: none; display: inline-block; }
.account summary::-webkit-details-marker { display: none; }
.account form { position: absolute; right: 0; top: calc(100% + .7rem); z-index: 1; width: 17rem; display: grid; gap: .35rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.1rem; box-shadow: 0 14px 40px rgb(0 0 0 / .14); }
.account input { font: inherit; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--paper); color: var(--ink); margin-bottom: .4rem; }
.hint { color: var(--quiet); font-size: .85rem; }
.avatar { width: 2rem; height: 2rem; border-radius: 50%; background: var(--accent); color: var(--accent-ink);
  display: grid; place-items: center; font-weight: 700; }
main { width: min(68rem, 100%); margin: 0 auto; padding: clamp(1.5rem, 4vw, 3rem) clamp(1rem, 5vw, 2rem); flex: 1; }
.book { display: grid; grid-template-columns: 220px 1fr; gap: clamp(1.5rem, 4vw, 3.5rem); align-items: start; }
.cover { width: 100%; height: auto; border-radius: 6px 12px 12px 6px; box-shadow: 0 18px 40px rgb(0 0 0 / .22); }
.eyebrow { margin: 0; text-transform: uppercase; letter-spacing: .12em; font-size: .78rem; font-weight: 700; color: var(--accent); }
h1 { font: 700 clamp(2rem, 5vw, 3rem)/1.12 Georgia, "Times New Roman", serif; margin: .2rem 0 .8rem; }
h2 { font: 700 1.35rem/1.3 Georgia, "Times New Roman", serif; margin: 2rem 0 .8rem; }
.summary { font-size: 1.08rem; max-width: 60ch; color: var(--quiet); margin: 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1px; margin: 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
dl div { background: var(--card); padding: .7rem 1rem; }
dt { font-size: .78rem; color: var(--quiet); }
dd { margin: 0; font-weight: 600; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1.2rem; }
.card { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.3rem 1.5rem; }
blockquote { margin: 0; font: 1.08rem/1.6 Georgia, "Times New Roman", serif; }
blockquote p { margin: 0; }
figcaption { margin-top: .8rem; color: var(--quiet); font-weight: 600; font-size: .92rem; }
.stars { margin: 0 0 .5rem; font-size: 1.35rem; letter-spacing: .1em; line-height: 1; }
.stars.black { color: var(--ink); }
.stars.red { color: var(--red); }
.stars .empty { opacity: .22; }
.notice { margin: 0 0 .6rem; color: var(--warn); font-weight: 600; font-size: .95rem; }
.failure { background: var(--warn-paper); border-left: 4px solid var(--warn); border-radius: 4px 12px 12px 4px; padding: .9rem 1.2rem; margin-top: 1.2rem; }
.failure h3 { margin: 0; color: var(--warn); font-size: 1.05rem; }
.failure p { margin: .2rem 0 0; }
.served { color: var(--quiet); font-size: .92rem; margin: 1rem 0 0; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .1rem .4rem; }
.front { max-width: 40rem; margin: 2rem auto; }
footer { border-top: 1px solid var(--line); color: var(--quiet); font-size: .88rem; text-align: center; }
@media (max-width: 44rem) {
  .book { grid-template-columns: 1fr; }
  .cover { max-width: 180px; }
}
`.trimStart();

export const COVER_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 320" role="img" aria-label="Two masks">
<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#0b6e69"/><stop offset="1" stop-color="#123b5d"/></linearGradient></defs>
<rect width="220" height="320" fill="url(#g)"/>
<rect width="12" height="320" fill="#000" opacity=".18"/>
<g fill="none" stroke="#fff" stroke-opacity=".14"><path d="M12 40h208M12 44h208M12 276h208M12 280h208"/></g>
<g transform="translate(34 92)"><path d="M0 8q38-16 76 0v40q0 34-38 46Q0 82 0 48Z" fill="#f6c453"/>
<path d="M14 34q8-9 18 0M44 34q8-9 18 0M18 56q20 22 40 0" fill="none" stroke="#123b5d" stroke-width="5" stroke-linecap="round"/></g>
<g transform="translate(112 128)"><path d="M0 8q38-16 76 0v40q0 34-38 46Q0 82 0 48Z" fill="#f2eee6"/>
<path d="M14 32q8 9 18 0M44 32q8 9 18 0M18 70q20-20 40 0" fill="none" stroke="#123b5d" stroke-width="5" stroke-linecap="round"/></g>
<g fill="#fff" font-family="Georgia, serif" text-anchor="middle"><text x="116" y="254" font-size="19">The Comedy of Errors</text><text x="116" y="304" font-size="12" opacity=".8">William Shakespeare</text></g>
</svg>
`;
