// @herenow/client, bundled by sdk/scripts/bundle.js: change sdk/src instead.
import{connect as X}from"../sdk.js";var K=`
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
`;var B={viewing:{one:"{n} person viewing",other:"{n} people viewing"},more:{one:"Show {n} more person",other:"Show {n} more people"},rest:{other:"and {n} more"},joined:{one:"{n} person joined",other:"{n} people joined"},lastKnown:"{text}, as last known",person:"{name}, {status}",you:"{name} (you)",active:"active",idle:"idle",offline:"offline",unknown:"unknown",one:"{names} is typing",some:"{names} are typing",many:"Several people are typing",close:"Close",search:"Search people",nobody:"Nobody by that name",live:"Live",sse:"Live, by a stream",poll:"Live, by polling",draining:"Server is restarting",connecting:"Connecting",reconnecting:"Reconnecting",retry:"Reconnecting in {time}",noNetwork:"No network",signedOut:"Signed out",forbidden:"Not allowed",closed:"Disconnected",tryNow:"Try now",lost:"Connection lost. What is shown may be out of date.",restored:"Connected again",hidePointers:"Hide pointers",showPointers:"Show pointers"},E={};function U(o,t){E[o]={...E[o],...t}}async function D(o){let t=o.split("-")[0].toLowerCase(),e=t==="en"?void 0:(await import("./languages.js").catch(()=>{}))?.languages[t],n={...B,...e,...E[t]},s=e||E[t]?o:"en",i=new Intl.PluralRules(s),r=new Intl.NumberFormat(s);return{locale:s,say(c,a={}){let p=n[c];return(typeof p=="string"?p:p[i.select(Number(a.n))]??p.other).replace(/\{(\w+)\}/g,(h,u)=>typeof a[u]=="number"?r.format(a[u]):a[u])}}}var N=new Map,O,I=new Set,j=new Map;function g(o,t){let e=j.get(t)??new CSSStyleSheet;j.has(t)||e.replaceSync(t),j.set(t,e),o.adoptedStyleSheets.push(e)}function Q(o){N.set(null,o);for(let t of I)t.settle();O?.close(),O=void 0}var f=class o extends(globalThis.HTMLElement??Object){static observedAttributes=["room","url","max","others","announce","field","quiet","user","label","on","pinned"];#t;#e=[];#o=new AbortController;#n=!1;root;constructor(){super(),this.root=this.attachShadow({mode:"open"}),g(this.root,K)}get client(){return this.#t}set client(t){this.#t=t,this.settle()}connectedCallback(){if(I.add(this),Object.hasOwn(this,"client")){let{client:t}=this;Reflect.deleteProperty(this,"client"),this.client=t}this.settle()}disconnectedCallback(){I.delete(this),this.settle()}attributeChangedCallback(){this.settle()}settle(){this.#n||queueMicrotask(()=>this.#i()),this.#n=!0}async#i(){this.#n=!1;let t=o.observedAttributes.map(d=>this.getAttribute(d)),e=this.isConnected?this.#s():null,n=this.closest("[lang]")?.getAttribute("lang")||"en",s=e?[e,n,...t]:[];if(s.length===this.#e.length&&s.every((d,h)=>d===this.#e[h]))return;this.#e=s;let i=this.#o,{signal:r}=this.#o=new AbortController,c=this.getAttribute("room"),a=e&&c?e.room(c,{signal:r}):null;if(i.abort(),!e)return;let p=await D(n);r.aborted||this.show({...p,client:e,room:a,signal:r})}#s(){if(this.#t!==void 0)return this.#t;let t=this.getAttribute("url"),e=N.get(t);if(e)return e;let n=X(t===null?{}:{url:t});return N.set(t,n),t===null&&(O=n),n}show(t){}};function y({client:o,signal:t},e){for(let n of["lost","restored"])o.on(n,()=>e(n==="lost"),{signal:t})}function l(o,t={},...e){let n=document.createElement(o);for(let s in t)n.setAttribute(s,t[s]);return n.append(...e),n}var w=(o="status")=>l("p",{role:o,class:"unseen",...o==="status"&&{"aria-live":"polite","aria-atomic":"true"}});function k(o,t,e,n){let s=new Map(Array.from(o.children,r=>[r.dataset.key,r])),i=t.map(r=>{let c=e(r),a=n(r,s.get(c));return a.dataset.key=c,s.delete(c),a});for(let r of s.values())r.remove();i.forEach((r,c)=>{o.children[c]!==r&&o.insertBefore(r,o.children[c]??null)})}var Z=/[\u202a-\u202e\u2066-\u2069]/g,tt=/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u,W=/[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u,x=o=>o.replace(Z,""),R=o=>`\u2068${x(o)}\u2069`,P=o=>Intl.Segmenter?Array.from(new Intl.Segmenter().segment(o),({segment:t})=>t):[...o];function F(o){let t=x(o).trim(),e=P(t)[0]??"?";if(tt.test(t))return P(t.replace(/\s/g,"")).slice(-2).join("");let s=t.split(/\s+/).map(i=>P(i).find(r=>W.test(r))).filter(i=>i!==void 0);return!s[0]||!W.test(e)&&/\p{L}|\p{Emoji_Presentation}/u.test(e)?e:(s[0]+(s.length>1?s.at(-1):"")).toLocaleUpperCase()}var S=(o="unknown")=>l("span",{class:"dot",part:`dot ${o}`,"data-status":o,"aria-hidden":"true"});function q({user:o,status:t}){let e=l("span",{class:"face",part:"face","aria-hidden":"true"},l("span",{},F(o.name)));if(e.style.setProperty("--c",o.color),o.avatar){let n=l("img",{alt:"",src:o.avatar,referrerpolicy:"no-referrer"});n.onerror=()=>n.remove(),e.append(n)}return t&&e.append(S(t)),e}var H=({say:o},{user:t,self:e})=>e?o("you",{name:R(t.name)}):R(t.name);function Y(o,t){let e=H(o,t);return t.status?o.say("person",{name:e,status:o.say(t.status)}):e}var et={adopt:g,face:q,list:k,make:l,nameOf:H,plain:x},G=5,ot=30,nt=15e3,st=10,L=class extends f{#t=l("ul",{class:"stack row",part:"list",role:"list"});#e=l("button",{class:"more",part:"more",type:"button",dir:"ltr","aria-haspopup":"dialog","aria-expanded":"false"});#o=l("div",{class:"row"},this.#t,this.#e);#n=w();#i;#s;#r=()=>{};constructor(){super(),this.#o.hidden=!0,this.#e.onclick=async()=>{this.#s=await this.#a(),this.#s.open(),this.#r()};for(let t of["pointerover","focusin"])this.#t.addEventListener(t,({target:e})=>{let n=e.closest("li")?.querySelector(".tip");!n||n.contains(e)||(this.#t.classList.remove("quiet"),rt(n))});this.root.append(this.#o,this.#n)}#a(){return this.#i??=import("./people.js").then(({createPeople:t})=>{let e=t(this.#e,this.root,et);return e.dialog.onclose=()=>{this.#s=void 0,this.#e.ariaExpanded="false",this.#r()},e})}show(t){let{say:e,room:n,client:s,signal:i}=t;if(!n)return;let r=Math.min(Math.max(Math.trunc(Number(this.getAttribute("max")??G))||G,1),ot),c=this.hasAttribute("others");document.addEventListener("keydown",({key:d})=>d==="Escape"&&this.#t.classList.add("quiet"),{signal:i});let a=!1,p=this.#r=()=>{let d=n.viewers.get()[0]?n.viewers.get():n.faces.get().map(b=>({user:b})),h=c?d.filter(({user:b})=>b.id!==s.self.get()?.id):d,u=n.count.get().users-(c&&n.self.get()?1:0),m=h.slice(0,r),v=u-m.length,C=e("viewing",{n:u});this.#o.hidden=u<1,this.#o.classList.toggle("stale",a),this.#t.ariaLabel=a?e("lastKnown",{text:C}):C,k(this.#t,m,({user:b})=>b.id,(b,$)=>it(b,Y(t,b),$)),this.#e.hidden=v<1&&!this.#s,this.#e.textContent=`+${Math.max(v,0)}`,this.#e.ariaLabel=e("more",{n:Math.max(v,0)}),v>0&&this.#a(),this.#s?.show(t,h,u)};for(let d of[n.viewers,n.faces,n.count])d.subscribe(p,{signal:i,immediate:!1});p(),y(t,d=>{a=d,p()}),this.hasAttribute("announce")&&at(t,this.#n)}};function it(o,t,e){let n=e??l("li",{part:"item"}),{user:s,status:i}=o,r=JSON.stringify([s.name,s.color,s.avatar,i,t]);if(n.dataset.look===r)return n;n.dataset.look=r;let c=l("span",{class:"tip",part:"tooltip","aria-hidden":"true"},l("span",{},t)),a=n.querySelector("[tabindex]")??l("span",{class:"target",role:"img",tabindex:"0"});return a.ariaLabel=t,a.replaceChildren(q(o)),n.replaceChildren(a,c),n}function rt(o){o.style.setProperty("--x","0px");let{left:t,right:e}=o.getBoundingClientRect(),n=Math.max(e-document.documentElement.clientWidth+8,0);o.style.setProperty("--x",`${t<8?8-t:-n}px`)}function at({say:o,room:t,signal:e},n){let s=0,i=0;t.on("join",()=>{s+=1,i||=setTimeout(()=>{n.textContent=t.count.get().users>st?"":o("joined",{n:s}),s=i=0},nt)},{signal:e}),e.addEventListener("abort",()=>clearTimeout(i))}var lt={adopt:g,dot:S,make:l},A=class extends f{#t={told:w(),alarm:w("alert")};constructor(){super(),this.root.append(this.#t.told,this.#t.alarm)}async show(t){let{showBadge:e}=await import("./badge.js");t.signal.aborted||e(this.root,this.#t,this.hasAttribute("pinned"),t,lt)}};var ct={adopt:g,list:k,make:l,plain:x},z=class extends f{constructor(){super(),this.root.append(l("slot"))}async show(t){if(!t.room)return;let{showPointers:e}=await import("./pointers.js");t.signal.aborted||e(this,this.root,t,ct)}};import{typingText as dt}from"../sdk.js";var J=new WeakMap;function V(o){let t=J.get(o);if(t)return t;let e=o.watch([]),n=new Map,s=new Set,i=!1,r=()=>{i=!1;let p=[...n.keys()].filter(h=>!s.has(h)),d=[...s].filter(h=>!n.has(h));for(let h of p)s.add(h);for(let h of d)s.delete(h);p[0]&&e.add(...p),d[0]&&e.remove(...d)},c=(p,d)=>{for(let h of p){let u=(n.get(h)??0)+d;u?n.set(h,u):n.delete(h)}i||queueMicrotask(r),i=!0},a={dots:e,hold(p){return c(p,1),()=>c(p,-1)}};return J.set(o,a),a}var pt=1e4,ht=2e3,T=class extends f{#t=l("span",{part:"text"});constructor(){super(),this.root.append(this.#t)}show(t){let{say:e,room:n,signal:s}=t,i=!1,r=()=>{let c=n.count.get().users,a=e("viewing",{n:c});this.#t.textContent=c?i?e("lastKnown",{text:a}):a:""};n&&(n.count.subscribe(r,{signal:s}),y(t,c=>{i=c,r()}))}},M=class extends f{#t=l("span",{part:"text"});#e=l("div",{class:"types row",part:"line"},l("span",{class:"waves",part:"dots","aria-hidden":"true"},l("i"),l("i"),l("i")),this.#t);#o=w();#n=-1/0;constructor(){super(),this.#e.hidden=!0,this.root.append(this.#e,this.#o)}show({say:t,locale:e,room:n,signal:s}){if(!n)return;let i=this.getAttribute("field"),r=this.hasAttribute("quiet"),c={one:t("one",{names:"{names}"}),some:t("some",{names:"{names}"}),many:t("many")},a="",p=-1/0,d=0,h=()=>{d=0;let m=Math.max(this.#n+pt,p+ht)-performance.now();m>0?d=setTimeout(h,m):this.#o.textContent!==a&&(this.#o.textContent=a,this.#n=performance.now())};this.#e.ariaHidden=r?null:"true",(i===null?n.typing:n.typing.in(i)).users.subscribe(m=>{a=dt(m,{locale:e,messages:c}),this.#e.hidden=!a,this.#t.textContent=a,clearTimeout(d),a&&!r?h():this.#o.textContent=""},{signal:s}),this.ownerDocument.addEventListener("input",({target:m})=>{let{name:v,id:C}=m;(i===null||i===(v||C))&&(p=performance.now())},{signal:s,capture:!0}),s.addEventListener("abort",()=>clearTimeout(d))}},_=class extends f{#t=l("span",{class:"mark",part:"mark"});constructor(){super(),this.root.append(this.#t)}show(t){let{say:e,client:n,signal:s}=t,i=this.getAttribute("user");if(!i)return;let{dots:r,hold:c}=V(n);s.addEventListener("abort",c([i]));let a=this.hasAttribute("label")?"small":"unseen",p=!1,d="",h=()=>{let u=r.get().get(i)?.status??"unknown",m=p?e("lastKnown",{text:e(u)}):e(u);m!==d&&this.#t.replaceChildren(S(u),l("span",{class:a,part:"label"},m)),d=m};r.subscribe(h,{signal:s}),y(t,u=>{p=u,this.#t.classList.toggle("stale",u),h()})}};var ut={"herenow-avatars":L,"herenow-connection":A,"herenow-count":T,"herenow-cursors":z,"herenow-dot":_,"herenow-typing":M};for(let[o,t]of Object.entries(ut))globalThis.customElements&&!customElements.get(o)&&customElements.define(o,t);export{Q as setClient,U as setTexts};
