// The reader's conveniences: find in text without minding accents, links to a clause, contents open where there is room.
// Without this script the page is complete: the browser finds, scrolls to and highlights the cited clause itself.
"use strict";
(function () {
  const article = document.querySelector(".text");
  const form = document.querySelector(".find");
  if (!article || !form) return;
  const input = form.querySelector("input");
  const output = form.querySelector("output");
  const buttons = Array.from(form.querySelectorAll("button"));
  const toast = document.querySelector(".toast");
  const MOST = 2000; // marks at once: more slow down an old phone and help nobody
  let marks = [];
  let now = -1;

  // ---- contents: open beside the text, closed above it
  const contents = document.querySelector(".toc details");
  const wide = window.matchMedia("(min-width: 64em)");
  if (contents) {
    contents.open = wide.matches;
    contents.addEventListener("click", (event) => {
      if (!wide.matches && event.target.closest("a")) contents.open = false;
    });
  }

  // ---- find
  // Folds text as the server's core.text.fold does and remembers from which character each folded one came.
  function fold(text) {
    let folded = "";
    const from = [];
    let space = true;
    for (let i = 0; i < text.length; i++) {
      const letters = text[i].normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/đ/g, "d");
      for (const letter of letters) {
        const blank = /\s/.test(letter);
        if (blank && space) continue;
        space = blank;
        folded += blank ? " " : letter;
        from.push(i);
      }
    }
    return { folded, from };
  }

  function textNodes(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, {
      acceptNode: (node) => (node.parentElement.closest("[hidden]") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT),
    });
    const nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    return nodes;
  }

  let lines = null;
  function foldedLines() {
    if (!lines) {
      lines = Array.from(article.querySelectorAll("p:not([hidden]), h2, h3, h4, h5, h6, td"), (line) => {
        const all = textNodes(line).map((node) => node.data).join("");
        return Object.assign({ line, all }, fold(all));
      });
    }
    return lines;
  }

  function clear() {
    const parents = new Set();
    for (const mark of marks) {
      for (const piece of mark) {
        parents.add(piece.parentNode);
        piece.replaceWith(piece.firstChild);
      }
    }
    for (const parent of parents) parent.normalize();
    marks = [];
    now = -1;
  }

  // Wraps characters start..end of a line, which may lie in several text nodes, from its end to its beginning.
  function wrap(nodes, start, end) {
    const pieces = [];
    let offset = nodes.reduce((sum, node) => sum + node.data.length, 0);
    for (let i = nodes.length - 1; i >= 0; i--) {
      const length = nodes[i].data.length;
      offset -= length;
      const left = Math.max(start - offset, 0);
      const right = Math.min(end - offset, length);
      if (left >= right) continue;
      // Not by Range: a thousand live ranges make every later change of the page slow.
      if (right < length) nodes[i].splitText(right);
      const found = left > 0 ? nodes[i].splitText(left) : nodes[i];
      const mark = document.createElement("mark");
      found.replaceWith(mark);
      mark.appendChild(found);
      pieces.unshift(mark);
    }
    return pieces;
  }

  function find() {
    clear();
    const wanted = fold(input.value.trim()).folded;
    if (wanted.length >= 2) {
      for (const { line, all, folded, from } of foldedLines()) {
        if (marks.length >= MOST) break;
        const found = [];
        for (let at = folded.indexOf(wanted); at >= 0; at = folded.indexOf(wanted, at + wanted.length)) {
          let end = from[at + wanted.length - 1] + 1;
          while (end < all.length && /[\u0300-\u036f]/.test(all[end])) end++; // the accents of a decomposed last letter
          found.push([from[at], end]);
        }
        const here = [];
        for (const [start, end] of found.reverse()) here.unshift(wrap(textNodes(line), start, end));
        marks.push(...here);
      }
    }
    report(wanted);
    if (marks.length) show(nearest());
  }

  function nearest() {
    const bar = form.getBoundingClientRect().bottom;
    const index = marks.findIndex((mark) => mark[0].getBoundingClientRect().bottom > bar);
    return index < 0 ? 0 : index;
  }

  function report(wanted) {
    if (wanted.length < 2) output.textContent = "";
    else if (!marks.length) output.textContent = "Không có";
    else output.textContent = now + 1 + " / " + marks.length + (marks.length >= MOST ? "+" : "");
    for (const button of buttons) button.disabled = !marks.length;
  }

  function show(index) {
    for (const mark of document.querySelectorAll("mark.now")) mark.classList.remove("now");
    now = (index + marks.length) % marks.length;
    for (const piece of marks[now]) piece.classList.add("now");
    marks[now][0].scrollIntoView({ block: "center" });
    report(fold(input.value.trim()).folded);
  }

  let timer = 0;
  let searched = "";
  function update() {
    window.clearTimeout(timer);
    if (searched === input.value) return false;
    searched = input.value;
    find();
    return true;
  }

  form.hidden = false;
  input.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(update, 200);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // the input method's own Enter
    if (event.key === "Enter") {
      event.preventDefault();
      if (!update() && marks.length) show(now + (event.shiftKey ? -1 : 1));
    } else if (event.key === "Escape" && input.value) {
      event.preventDefault();
      input.value = "";
      update();
    }
  });
  for (const button of buttons) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      if (!update() && marks.length) show(now + Number(button.dataset.step));
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- links to a clause
  let hiding = 0;
  function say(text) {
    toast.textContent = text;
    toast.hidden = false;
    window.clearTimeout(hiding);
    hiding = window.setTimeout(() => { toast.hidden = true; }, 2500);
  }
  article.addEventListener("click", (event) => {
    const link = event.target.closest("a.link");
    if (!link || !navigator.clipboard) return; // without the clipboard the address bar holds the link
    navigator.clipboard.writeText(link.href).then(
      () => say("Đã chép liên kết tới mục này"),
      () => say("Liên kết nằm trên thanh địa chỉ"),
    );
  });
})();
