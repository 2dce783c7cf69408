// @herenow/client, bundled by sdk/scripts/bundle.js: change sdk/src instead.
var T='<svg viewBox="0 0 18 20"><path d="M2 1.5v15l4.2-3.6 2.6 5.6 2.7-1.3-2.6-5.4h5.6z"/></svg>',k=`
.layer{position:absolute;inset:0;overflow:hidden;pointer-events:none;container-type:size;z-index:var(--herenow-cursors-z,1)}
.cursor{position:absolute;left:0;top:0;direction:ltr}
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
`,m=new WeakMap;function C(d,l,{say:b,room:v,signal:p},{adopt:w,list:y,make:s,plain:z}){w(l,k);let t=s("div",{class:"layer",part:"layer","aria-hidden":"true"}),o=s("button",{class:"toggle",part:"toggle",type:"button"});o.hidden=!0,l.append(t,o);let i=v.cursors(d,{on:d.getAttribute("on")??void 0}),L=matchMedia("(prefers-reduced-motion: reduce)"),n=0,M=(r,g)=>{let{user:a,x,y:h}=r,e=g??s("div",{class:"cursor",part:"cursor"});g||(e.innerHTML=T,e.append(s("bdi",{class:"tag",part:"tag"})));let c=m.get(e);return c?.[0]===r||(clearTimeout(c?.[1]),m.set(e,[r,setTimeout(()=>e.classList.add("still"),3e3)]),c?.[0].user!==a&&(e.style.setProperty("--c",a.color),e.lastChild.textContent=z(a.name)),e.style.translate=`${x*100}cqw ${h*100}cqh`,e.className=`cursor${x>.8?" flip":""}${h>.85?" up":""}`),e},u=()=>{n=0,y(t,i.get(),({session:r})=>r,M),i.get()[0]&&(o.hidden=!1)};i.subscribe(()=>{L.matches?n||=setTimeout(u,500):u()},{signal:p});let f=()=>o.textContent=b(t.hidden?"showPointers":"hidePointers");o.onclick=()=>{t.hidden=!t.hidden,f()},f(),p.addEventListener("abort",()=>{clearTimeout(n),i.stop(),t.remove(),o.remove()})}export{C as showPointers};
