(() => {
  "use strict";
  const { documentElement: page, head } = document;
  // A script that does not load says nothing by itself. First of all the address may lack its last slash.
  const failed = ({ target: script }) => {
    if (script?.tagName !== "SCRIPT") return;
    const { pathname, search, hash } = location;
    if (!/(\/|\.html?)$/.test(pathname)) return location.replace(`${pathname}/${search}${hash}`);
    const tries = Number(script.dataset.tries || 0);
    if (tries === 3) return (page.dataset.view = "stuck");
    const again = Object.assign(document.createElement("script"), { type: "module", integrity: script.integrity });
    again.dataset.tries = tries + 1;
    again.src = `app.js?again=${Date.now()}`;
    setTimeout(() => head.append(again), 500 * 3 ** tries);
  };
  addEventListener("error", failed, true);
})();
