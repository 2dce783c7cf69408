// What would run, or stand on a page as an element, if a name were taken for markup.

export const PAYLOADS = [
  ..."img svg video audio iframe object embed input body details".split(" ").flatMap((tag) => [
    `<${tag} src=x onerror=hit()>`, `<${tag} autofocus onfocus=hit() onload=hit() open>`,
    `"><${tag} onload=hit() src=x>`, `</bdi><${tag} onmouseover=hit()>`,
  ]),
  "<script>hit()</script>", "</script><script>hit()</script>", "javascript:hit()", "{{constructor.constructor('hit()')()}}",
  "<math><mtext><style></math><img src onerror=hit()>", "&lt;img src=x onerror=hit()&gt;", "${hit()}",
];

/** The elements that they would make. */
export const SCRIPT_TAGS = "img,svg,video,audio,iframe,object,embed,details,script:not([src]),math,style";
