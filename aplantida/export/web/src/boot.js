(() => {
  "use strict";
  const { documentElement: page, head } = document;
  const app = new URL("app.js", document.baseURI).href;
  // The page's own script does not load, and says nothing by itself. First of all the address may lack its last slash.
  const failed = ({ target: script }) => {
    if (script?.tagName !== "SCRIPT" || script.src.split("?")[0] !== app) return;
    const whole = new URL(location.href);
    if (!/(\/|\.html?)$/.test(whole.pathname)) {
      whole.pathname += "/";
      return location.replace(whole.href);
    }
    const tries = Number(script.dataset.tries || 0);
    if (tries === 3) return (page.dataset.view = "stuck");
    const again = Object.assign(document.createElement("script"), { type: "module", integrity: script.integrity });
    again.dataset.tries = tries + 1;
    again.src = `app.js?again=${Date.now()}`;
    setTimeout(() => head.append(again), 500 * 3 ** tries);
  };
  addEventListener("error", failed, true);
})();
