// @herenow/client, bundled by sdk/scripts/bundle.js: change sdk/src instead.
var T='<svg viewBox="0 0 18 20"><path d="M2 1.5v15l4.2-3.6 2.6 5.6 2.7-1.3-2.6-5.4h5.6z"/></svg>',C=`
.layer{position:absolute;inset:0;overflow:hidden;pointer-events:none;container-type:size;z-index:var(--herenow-cursors-z,1)}
.cursor{position:absolute;left:0;top:0;direction:ltr;will-change:translate}
.cursor svg{display:block;inline-size:18px;block-size:20px;fill:var(--c);stroke:#fff;stroke-width:1.5;stroke-linejoin:round;filter:drop-shadow(0 1px 1.5px rgb(0 0 0/.35))}
.tag{position:absolute;left:14px;top:17px;padding:.1em .6em;border-radius:3px 9px 9px;background:var(--c);color:#fff;font-size:.75rem;line-height:1.5;font-weight:500;
max-inline-size:12rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;box-shadow:0 1px 3px rgb(0 0 0/.25)}
.cursor.flip .tag{left:auto;right:4px;border-radius:9px 3px 9px 9px}
.cursor.up .tag{top:auto;bottom:22px}
.toggle{position:absolute;z-index:calc(var(--herenow-cursors-z,1) + 1);inset-block-end:.5rem;inset-inline-end:.5rem;min-block-size:28px;padding:.2em .8em;border:1px solid var(--line);border-radius:99px;background:var(--bg);color:var(--fg);font-size:.75rem}
@media(prefers-reduced-motion:no-preference){
.cursor{transition:translate 90ms linear,opacity .4s}
.cursor.still{opacity:.45}
}
@media(forced-colors:active){.tag{border:1px solid CanvasText}}
`,l=new WeakMap;function _(d,p,{say:v,room:w,signal:u},{adopt:y,list:z,make:n,plain:L}){y(p,C);let t=n("div",{class:"layer",part:"layer","aria-hidden":"true"}),r=n("button",{class:"toggle",part:"toggle",type:"button"});r.hidden=!0,p.append(t,r);let i=w.cursors(d,{on:d.getAttribute("on")??void 0}),M=matchMedia("(prefers-reduced-motion: reduce)"),a=0,k=(o,s)=>{let{user:c,x,y:h}=o,e=s??n("div",{class:"cursor",part:"cursor"});s||(e.innerHTML=T,e.append(n("bdi",{class:"tag",part:"tag"})));let m=l.get(e);if(m?.[0]===o)return e;l.set(e,[o,performance.now()]),m?.[0].user!==c&&(e.style.setProperty("--c",c.color),e.lastChild.textContent=L(c.name)),e.style.translate=`${x*100}cqw ${h*100}cqh`;let b=`cursor${x>.8?" flip":""}${h>.85?" up":""}`;return e.className!==b&&(e.className=b),e},g=()=>{a=0,z(t,i.get(),({session:o})=>o,k),i.get()[0]&&(r.hidden=!1)};i.subscribe(()=>{M.matches?a||=setTimeout(g,500):g()},{signal:u});let S=setInterval(()=>{let o=performance.now()-3e3;for(let s of t.children)s.classList.toggle("still",(l.get(s)?.[1]??0)<o)},3e3/4),f=()=>r.textContent=v(t.hidden?"showPointers":"hidePointers");r.onclick=()=>{t.hidden=!t.hidden,f()},f(),u.addEventListener("abort",()=>{clearTimeout(a),clearInterval(S),i.stop(),t.remove(),r.remove()})}export{_ as showPointers};
