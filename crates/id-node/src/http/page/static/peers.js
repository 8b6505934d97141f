// What the page can't do without a script: it copies node ids, pauses, keeps the keyboard where it was when the
// table is fetched again, and says aloud what has changed.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  let paused = false;

  const say = (text) => {
    if (byId("news").textContent !== text) byId("news").textContent = text;
  };

  // Copying.
  const idOf = (button) => button.parentElement.querySelector("code").textContent;

  const copyByHand = (text) => {
    // Where the page isn't on this machine there is no clipboard for scripts, but there still is the old way.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("no clipboard"));
  };

  const copy = async (button) => {
    const id = idOf(button);
    try {
      await (navigator.clipboard ? navigator.clipboard.writeText(id) : copyByHand(id));
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1500);
      say(`copied ${id.slice(0, 10)}`);
    } catch {
      say("the browser doesn't let this page copy");
    }
    button.focus({ preventScroll: true });
  };

  // Pausing.
  const showPause = () => {
    byId("pause").setAttribute("aria-pressed", String(paused));
    document.body.classList.toggle("paused", paused);
  };

  const refresh = () => htmx.trigger(byId("peers"), "refresh");

  const pause = () => {
    paused = !paused;
    showPause();
    say(paused ? "paused" : "going on");
    if (!paused) refresh();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches(".copy")) copy(button);
    if (button?.id === "pause") pause();
  });

  // A page that nobody looks at needn't know what is new.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) refresh();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const isPoll = event.detail.elt === byId("peers");
    if (isPoll && (paused || document.hidden)) event.preventDefault();
  });

  // Fetching again. htmx keeps the focus of what has an id; rows have none, for thousands would be slow.
  let summary = byId("summary").textContent;
  let focused = null;

  // htmx looks at each element that it puts in or takes out. Of thousands of rows none concerns it, and that would
  // take seconds; so they are kept from it.
  let rows = "";
  let top = 0;

  const takeRowsOut = (detail) => {
    const html = detail.serverResponse;
    const [from, to] = [html.indexOf("<tbody"), html.lastIndexOf("</tbody>") + "</tbody>".length];
    rows = html.slice(from, to);
    detail.serverResponse = html.slice(0, from) + html.slice(to);
    document.querySelectorAll("tbody").forEach((group) => group.remove());
  };

  const putRowsIn = () => {
    const template = document.createElement("template");
    template.innerHTML = `<table>${rows}</table>`;
    document.querySelector("table").append(...template.content.querySelectorAll("tbody"));
    scrollTo(scrollX, top);
  };

  const keepFocus = () => {
    const codes = focused ? [...document.querySelectorAll("tbody code")] : [];
    const row = codes.find((code) => code.textContent === focused);
    row?.parentElement.querySelector(".copy").focus({ preventScroll: true });
  };

  const drawAnew = () => {
    const picture = byId("peers").dataset.picture;
    const image = document.querySelector("#topology img");
    if (image.getAttribute("src") !== picture) image.src = picture;
  };

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!detail.shouldSwap) return;
    const active = document.activeElement;
    focused = active?.matches("tbody .copy") ? idOf(active) : null;
    top = scrollY;
    takeRowsOut(detail);
  });

  document.addEventListener("htmx:afterSwap", () => {
    putRowsIn();
    keepFocus();
    drawAnew();
    document.body.classList.remove("silent");
    showPause();
    const now = byId("summary").textContent;
    if (now !== summary) say(now);
    summary = now;
  });

  const lost = () => {
    document.body.classList.add("silent");
    say("the node doesn't answer");
  };
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:responseError", lost);
  document.addEventListener("htmx:timeout", lost);
})();
