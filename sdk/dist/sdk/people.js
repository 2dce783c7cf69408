// @herenow/client, bundled by sdk/scripts/bundle.js: change sdk/src instead.
var _=`
dialog{position:fixed;inset:auto;margin:0;inline-size:min(21rem,100vw - 1rem);max-block-size:min(26rem,100dvh - 1rem);border:1px solid var(--line);border-radius:14px;
background:var(--bg);color:var(--fg);font-size:.9375rem;line-height:1.4;flex-direction:column;overflow:hidden;
box-shadow:0 2px 6px rgb(0 0 0/.08),0 12px 40px rgb(0 0 0/.2)}
dialog[open]{display:flex}
dialog::backdrop{background:none}
.head{justify-content:space-between;gap:.5rem;padding:.6rem .6rem .4rem 1rem;padding-inline:1rem .6rem;font-weight:600}
.icon{inline-size:2rem;block-size:2rem;border-radius:8px;font-size:1.25rem;line-height:1;color:var(--soft)}
.icon:hover{background:color-mix(in srgb,currentColor 12%,transparent)}
.find{margin:.1rem 1rem .5rem;padding:.45rem .7rem;border:1px solid color-mix(in srgb,var(--soft) 80%,var(--bg));border-radius:8px;min-inline-size:0}
.find::placeholder{color:var(--soft);opacity:1}
.people{overflow:auto;padding:0 .5rem .5rem;overscroll-behavior:contain}
.people:focus-visible{outline-offset:-2px;border-radius:12px}
.people>li{gap:.7rem;padding:.35rem .5rem;border-radius:9px;--s:2rem}
.who{flex:1;display:flex;min-inline-size:0}
.who>*{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.note{padding:.2rem 1rem .8rem}
@media(max-width:30rem){
dialog{inset:auto 0 0!important;inline-size:100%;max-inline-size:100%;max-block-size:80dvh;border-end-end-radius:0;border-end-start-radius:0}
dialog::backdrop{background:rgb(0 0 0/.4)}
}
@media(prefers-reduced-motion:no-preference){dialog[open]{animation:come .15s ease-out}}
`;function R(f,h,{adopt:w,face:v,list:y,make:n,nameOf:C,plain:P}){let x=n("p",{id:"title"}),p=n("button",{class:"icon",part:"close",type:"button"},"\xD7"),c=n("input",{class:"find",part:"search",type:"search"}),m=n("ul",{class:"people",part:"people",role:"list",tabindex:"0","aria-labelledby":"title"}),u=n("p",{class:"small note"}),z=n("div",{class:"head row"},x,p),i=n("dialog",{part:"dialog","aria-labelledby":"title"},z,c,m,u),b=()=>{};w(h,_),h.append(i),c.oninput=()=>b(),p.onclick=()=>i.close(),i.onclick=({target:t,clientX:e,clientY:r})=>{let{left:o,right:a,top:l,bottom:s}=i.getBoundingClientRect();t===i&&(e<o||e>a||r<l||r>s)&&i.close()},i.onkeydown=t=>{if(t.key!=="Tab")return;let e=[p,c,m].filter(a=>!a.hidden),[r,o]=t.shiftKey?[e[0],e.at(-1)]:[e.at(-1),e[0]];t.target===r&&(t.preventDefault(),o?.focus())};let A=(t,e,r)=>{let o=r??n("li",{class:"row",part:"person"}),{user:a,self:l,status:s}=e,d=l?n("span",{},C(t,e)):n("bdi",{},P(a.name));return o.replaceChildren(v(e),n("span",{class:"who",part:"name"},d)),s&&o.append(n("span",{class:"small",part:"status"},t.say(s))),o};return{dialog:i,open(){c.value="",f.ariaExpanded="true",i.showModal();let{left:t,right:e,top:r,bottom:o}=f.getBoundingClientRect(),a=i.offsetWidth,{clientWidth:l,clientHeight:s}=document.documentElement,d=getComputedStyle(i).direction==="rtl"?e-a:t,g=Math.max(Math.min(d,l-a-8),8),L=o>s/2;i.style.inset=L?`auto auto ${s-r+8}px ${g}px`:`${o+8}px auto auto ${g}px`},show(t,e,r){let{say:o}=t;b=()=>{let a=c.value.trim().toLocaleLowerCase(),l=e.filter(({user:d})=>d.name.toLocaleLowerCase().includes(a));x.textContent=o("viewing",{n:r}),p.ariaLabel=o("close"),c.placeholder=c.ariaLabel=o("search"),c.hidden=e.length<8&&!a,m.hidden=!l[0],y(m,l,({user:d})=>d.id,(d,g)=>A(t,d,g));let s=r-e.length;u.textContent=l[0]?s>0?o("rest",{n:s}):"":o("nobody"),u.hidden=!u.textContent},b()}}}export{R as createPeople};
