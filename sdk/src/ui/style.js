// How the kit looks; what is loaded later brings its own. Change it by the custom properties `--herenow-*`, or by `::part()`.

export const STYLE = `
:host{
--s:var(--herenow-size,2.25rem);
--bg:var(--herenow-surface,#fff);
--fg:var(--herenow-text,#1f2328);
--soft:var(--herenow-muted,#59616b);
--line:var(--herenow-line,#d6d9de);
--hi:var(--herenow-accent,#0b6f63);
--ok:var(--herenow-active,#16794a);
--mid:var(--herenow-idle,#9a5b00);
--bad:var(--herenow-bad,#b3261e);
display:inline-block;position:relative;font:inherit;text-align:start;vertical-align:middle
}
@media(prefers-color-scheme:dark){:host{
--bg:var(--herenow-surface,#1c2024);
--fg:var(--herenow-text,#eceef0);
--soft:var(--herenow-muted,#a4abb3);
--line:var(--herenow-line,#3b4148);
--hi:var(--herenow-accent,#58c9b5);
--ok:var(--herenow-active,#4fc48a);
--mid:var(--herenow-idle,#f0b35b);
--bad:var(--herenow-bad,#ff9389)
}}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box;margin:0;padding:0}
ul{list-style:none}
button,input{font:inherit;color:inherit;background:none;border:0}
button{cursor:pointer}
:focus-visible{outline:2px solid var(--hi);outline-offset:2px}
.unseen{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.small{font-size:.8125rem;color:var(--soft);white-space:nowrap}
.row{display:flex;align-items:center}

.face{display:grid;place-items:center;position:relative;flex:none;inline-size:var(--s);block-size:var(--s);border-radius:50%;
background:var(--c);color:#fff;font-weight:600;font-size:calc(var(--s)*.38);line-height:1;letter-spacing:.01em;user-select:none;
box-shadow:inset 0 0 0 1px rgb(0 0 0/.12)}
.face img{position:absolute;inset:0;inline-size:100%;block-size:100%;border-radius:50%;object-fit:cover}
.face>span{max-inline-size:100%;overflow:hidden;white-space:nowrap}
.dot{display:inline-block;flex:none;inline-size:.75em;block-size:.75em;border-radius:50%;border:.17em solid var(--k);background:var(--bg);
--k:var(--soft);vertical-align:baseline}
.dot[data-status=active]{--k:var(--ok);background:var(--k)}
.dot[data-status=idle]{--k:var(--mid)}
.dot[data-status=offline]{background:linear-gradient(to top right,var(--bg) 38%,var(--k) 38% 62%,var(--bg) 62%)}
.dot[data-status=unknown]{border-style:dotted}
.face .dot{position:absolute;inset-block-end:0;inset-inline-start:0;font-size:max(10px,calc(var(--s)*.34));
box-shadow:0 0 0 2px var(--bg)}

.stack>li{position:relative;border-radius:50%;box-shadow:0 0 0 2px var(--bg)}
.stack>li+li,.more{margin-inline-start:calc(-1*max(0px,min(var(--s)*.24,var(--s) - 25px)))}
.stack>li:hover,.stack>li:focus-within,.more:focus-visible{z-index:1}
.more{position:relative;min-inline-size:var(--s);block-size:var(--s);padding-inline:.5em;border-radius:99px;background:var(--bg);color:var(--fg);
border:1.5px solid var(--line);box-shadow:0 0 0 2px var(--bg);font-weight:600;font-size:calc(var(--s)*.36);font-variant-numeric:tabular-nums}
.more:hover{border-color:var(--soft)}
.stale .dot{filter:grayscale(1)}
.stale .face{filter:grayscale(1);outline:1.5px dashed rgb(255 255 255/.8);outline-offset:-3px}
.tip{display:none;position:absolute;z-index:2;inset-block-start:100%;left:50%;translate:calc(-50% + var(--x,0px)) 0;padding-block-start:8px;inline-size:max-content;
max-inline-size:min(18rem,100vw - 16px);font-size:.8125rem;line-height:1.35;font-weight:400}
.tip>span{display:block;padding:.35em .7em;border-radius:7px;background:var(--fg);color:var(--bg);overflow-wrap:anywhere}
li:hover>.tip,li:focus-within>.tip{display:block}
.quiet .tip{display:none!important}

:host(herenow-dot){vertical-align:baseline}
.mark{display:inline-flex;align-items:baseline;gap:.4em}
:host(herenow-cursors){display:block}
:host(herenow-typing){display:block;min-block-size:1.6em;line-height:1.6}
.types{gap:.5em}
.types>:last-child{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.waves{flex:none;display:inline-flex;gap:.2em}
.waves i{inline-size:.32em;block-size:.32em;border-radius:50%;background:currentColor;opacity:.65}

@media(prefers-reduced-motion:no-preference){
.stack>li{animation:come .25s ease-out}
.waves i{animation:wave 1.2s infinite}
.waves i:nth-child(2){animation-delay:.15s}
.waves i:nth-child(3){animation-delay:.3s}
}
@keyframes come{from{opacity:0;scale:.9}}
@keyframes wave{30%{translate:0 -.25em;opacity:1}60%{translate:0}}
@media(forced-colors:active){
.face,.tip>span{border:1px solid CanvasText}
.dot{forced-color-adjust:none;--k:CanvasText!important;--bg:Canvas}
.waves i{background:CanvasText}
.stale .face{outline-color:GrayText}
}
`;
