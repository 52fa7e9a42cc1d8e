/**
 * <sotay-chat>: the chat window of Sổ tay as one custom element; no framework, no build step, no third party.
 *
 * Attributes (all optional):
 *   base         address of the installation (default: where this script came from)
 *   title        name in the header               placeholder  hint in the empty text field
 *   address      how people are addressed          suggestions  questions to tap: a JSON list of strings
 *                (default "Đồng chí")                           (or a child <script type="application/json">)
 *   scheme       "auto": dark where the        stylesheet   address of the style sheet
 *                system is (default: light)                    (default: beside this script)
 * A child with slot="heading" stands in the header in place of the title (a page puts its own <h1> there).
 *
 * Speaks POST {base}/api/chat/messages, GET {base}/api/chat/events (Server-Sent Events) and GET {base}/api/chat/history.
 * A message keeps its id until the server has accepted it, so sending again never makes a second message; an event that
 * was shown is never shown again, so opening the stream again never doubles an answer.
 *
 * Written for old Android web views (Chromium 70): no `?.`, no `??`, no constructable style sheets. Everything that
 * people or the server wrote enters the page as text, never as HTML. The style sheet is the file of the same name
 * beside this one, so that a strict Content-Security-Policy needs nothing but 'self'.
 */
(function () {
  "use strict";
  if (!window.customElements || customElements.get("sotay-chat")) return;

  const SCRIPT = (document.currentScript && document.currentScript.src) || location.href;
  const MAX_LENGTH = 2000; // characters; the server is the judge, this only warns in time
  const COUNT_FROM = 1800;
  const POST_TIMEOUT = 20000; // milliseconds, as all times below
  const SLOW_AFTER = 6000; // then "vẫn đang tìm" is shown
  const POLL_AFTER = 8000; // then the history is asked too: a proxy may hold the stream back
  const POLL_EVERY = 5000;
  const GIVE_UP_AFTER = 90000; // then the indicator goes; a late answer is still shown when it comes
  const BACKOFF = [500, 1000, 2000, 4000, 8000, 15000, 30000];
  const HIDDEN_CLOSE_AFTER = 60000; // a page in the background holds no connection for longer
  const LARGE_KEY = "sotay-chat:large";
  const SVG = "http://www.w3.org/2000/svg";
  const ICONS = {
    send: "M3 20v-6l8-2-8-2V4l19 8z",
    speak: "M4 9v6h4l5 5V4L8 9zm12 3a4 4 0 0 0-2-3.500v7a4 4 0 0 0 2-3.500zm-2-8.700v2.100a7 7 0 0 1 0 13.200v2.100a9 9 0 0 0 0-17.400z",
    copy: "M16 2H4v14h2V4h10zm4 4H8v16h12zm-2 14h-8V8h8z",
  };
  const STATUS = {
    amended: "Đã được sửa đổi",
    replaced: "Đã được thay thế",
    repealed: "Đã bị bãi bỏ",
    not_yet: "Chưa có hiệu lực",
  };
  const WAIT_NETWORK = "đang chờ mạng";
  const WAIT_SERVER = "đang chờ gửi lại";

  // ---------------------------------------------------------------------------------------------- small helpers

  /** An element with attributes, listeners (`on…`) and children; strings become text nodes. */
  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  }

  /** A random UUID; crypto.randomUUID needs a secure page, a box in the local network is often none. */
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  /** Storage that may be switched off (private mode, web views): then nothing is remembered, everything else works. */
  function recall(storage, key) {
    try {
      return window[storage].getItem(key);
    } catch (error) {
      return null;
    }
  }

  function remember(storage, key, value) {
    try {
      if (value) window[storage].setItem(key, value);
      else window[storage].removeItem(key);
    } catch (error) {
      console.warn("sotay-chat: storage is not available", error);
    }
  }

  const plain = (text) => text.normalize("NFC").toLowerCase().replace(/\s+/g, " ").trim();
  const dense = (text) => text.replace(/\n\s*\n/g, "\n"); // blank lines of the source take room and say nothing
  const later = (attempt) => BACKOFF[Math.min(attempt, BACKOFF.length - 1)] * (0.75 + Math.random() / 2);
  const list = (value) => (Array.isArray(value) ? value : []);

  const VIETNAM = "Asia/Ho_Chi_Minh";
  const CLOCK = new Intl.DateTimeFormat("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: VIETNAM });
  const DAY = new Intl.DateTimeFormat("vi-VN", { day: "2-digit", month: "2-digit", year: "numeric", timeZone: VIETNAM });

  function timeElement(at) {
    const moment = new Date(at);
    const today = DAY.format(new Date()) === DAY.format(moment);
    const label = today ? CLOCK.format(moment) : CLOCK.format(moment) + ", " + DAY.format(moment);
    return h("time", { datetime: moment.toISOString() }, label);
  }

  // ------------------------------------------------------------------------------------------------- citations

  /** "Điều 12, khoản 2, điểm đ": the place inside the document. */
  function placeOf(citation) {
    const parts = [];
    if (citation.article) parts.push("Điều " + citation.article);
    if (citation.clause) parts.push("khoản " + citation.clause);
    if (citation.point) parts.push("điểm " + citation.point);
    return parts.join(", ");
  }

  /** "Điều lệ Hội … số 01/…, ngày 05/02/2026": the document itself. */
  function documentOf(citation) {
    const source = citation.document || {};
    let text = source.title || "";
    if (source.number) text += (text ? " số " : "Số ") + source.number;
    if (source.issued_on) text += ", ngày " + source.issued_on.split("-").reverse().join("/");
    return text;
  }

  const citationLine = (citation) => [placeOf(citation), documentOf(citation)].filter(Boolean).join(" — ");

  /** The same as label of a link: the place stands out, the document follows. */
  function labelOf(citation) {
    const place = placeOf(citation);
    const source = documentOf(citation);
    return h("span", null, place ? h("b", null, place) : null, place && source ? " — " : null, source || null);
  }

  /**
   * Does this line of the plain-text answer only repeat what is shown as link anyway? A citation in words, or a heading
   * of the suggestions. A line that says more (a note on validity) is kept.
   */
  function repeats(line, message) {
    const words = plain(line).replace(/^[-–—•*]\s*/, "");
    if (message.suggestions.some((suggestion) => words === plain(suggestion.heading))) return true;
    return message.citations.some((citation) => {
      const source = citation.document || {};
      const names = [source.title, source.number].filter(Boolean).map(plain);
      if (!citation.article || !names.some((name) => words.includes(name))) return false;
      if (!(words + " ").match(new RegExp("điều " + plain(citation.article).replace(/\W/g, "\\$&") + "[^0-9a-zđ]"))) return false;
      const rest = names.reduce((text, name) => text.replace(name, ""), words);
      return rest.length <= 110 + plain(source.issuer || "").length && !/thay thế|bãi bỏ|hiệu lực|sửa đổi|lưu ý/.test(rest);
    });
  }

  /** The plain-text answer cut into what stands before the quotation and what stands after it, repetitions removed. */
  function split(message) {
    const quote = (message.citations.length && message.citations[0].quote) || "";
    const at = quote ? message.text.indexOf(quote) : -1;
    const before = at < 0 ? message.text : message.text.slice(0, at);
    const after = at < 0 ? "" : message.text.slice(at + quote.length);
    const kept = (text) =>
      text
        .split("\n")
        .filter((line) => !repeats(line, message) && !/^\s*xem thêm\s*:?\s*$/i.test(line.normalize("NFC")))
        .join("\n")
        .replace(/\n{3,}/g, "\n\n")
        .trim();
    const lead = kept(before.replace(/[“"«]\s*$/, ""));
    return {
      lead: quote || lead ? lead : message.text,
      quote,
      tail: kept(after.replace(/^\s*[”"»]/, "")).replace(/^[.;]$/, ""),
    };
  }

  // --------------------------------------------------------------------------------------------------- element

  class SotayChat extends HTMLElement {
    constructor() {
      super();
      this._nodes = new Map(); // "m:<message id>" or "e:<event id>" -> element in the log
      this._queue = []; // messages not accepted yet, oldest first: {id, text, choice, at}
      this._awaited = new Map(); // message id -> when the wait for its answer began
      this._lastEvent = 0;
      this._timers = {};
      this._attempts = { send: 0, stream: 0, history: 0 };
      this._erasures = 0; // how often this page was told that the conversation has been erased
      this._pinned = true; // the end of the conversation is in view
      this._listeners = [];
    }

    connectedCallback() {
      if (!this.shadowRoot) this._build();
      this._listen(window, "online", () => this._wake());
      this._listen(window, "offline", () => this._showConnection());
      this._listen(window, "pagehide", () => {
        this._closeStream();
        const place = this._pinned ? "" : this._lastEvent + ":" + Math.round(this._scroll.scrollTop);
        remember("sessionStorage", this._key + ":place", place);
      });
      this._listen(window, "pageshow", (event) => event.persisted && this._wake());
      this._listen(document, "visibilitychange", () => this._visibility());
      if (window.speechSynthesis) {
        if (speechSynthesis.addEventListener) this._listen(speechSynthesis, "voiceschanged", () => this._findVoice());
        this._findVoice();
      }
      this._restore();
    }

    disconnectedCallback() {
      this._listeners.splice(0).forEach((remove) => remove());
      Object.keys(this._timers).forEach((name) => this._stop(name));
      this._closeStream();
      this._silence();
    }

    focus() {
      this._input.focus();
    }

    _listen(target, type, listener) {
      target.addEventListener(type, listener);
      this._listeners.push(() => target.removeEventListener(type, listener));
    }

    /** One timer per name: starting it again replaces it. */
    _after(name, delay, action) {
      this._stop(name);
      this._timers[name] = setTimeout(() => {
        delete this._timers[name];
        action();
      }, delay);
    }

    _stop(name) {
      clearTimeout(this._timers[name]);
      delete this._timers[name];
    }

    // ---- building

    _build() {
      const title = this.getAttribute("title") || "Sổ tay";
      this.removeAttribute("title"); // else the browser shows it as a tooltip over the whole chat
      this._address = this.getAttribute("address") || "Đồng chí";
      this._base = (this.getAttribute("base") || new URL(SCRIPT).origin).replace(/\/+$/, "");
      this._key = "sotay-chat:" + this._base;
      const you = this._address.toLowerCase();

      this._large = h("button", { type: "button", class: "large-switch", "aria-pressed": "false", onclick: () => this._setLarge() },
        h("span", { "aria-hidden": "true", class: "letter" }, "A"), "Chữ to");
      this._log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-relevant": "additions", "aria-label": "Cuộc trò chuyện" });
      this._chips = h("div", { class: "chips", role: "group", "aria-label": "Câu hỏi gợi ý" });
      this._typingText = h("span");
      this._typing = h("div", { class: "typing", hidden: true },
        h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), this._typingText);
      this._scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Nội dung trò chuyện", onscroll: () => this._scrolled() },
        h("div", { class: "column" }, this._log, this._chips, h("div", { role: "status" }, this._typing)));
      this._newer = h("button", { type: "button", class: "newer", hidden: true, onclick: () => this._toEnd() }, "Có câu trả lời mới ↓");
      this._connection = h("span");
      this._banner = h("div", { class: "banner", hidden: true }, this._connection,
        h("button", { type: "button", onclick: () => this._wake() }, "Thử lại ngay"));
      this._error = h("p", { class: "error", id: "error", role: "alert" });
      this._count = h("p", { class: "count", id: "count" });
      this._input = h("textarea", {
        id: "input", rows: "1", enterkeyhint: "send", autocomplete: "off", "aria-describedby": "error count keys",
        placeholder: this.getAttribute("placeholder") || "Nhập câu hỏi…",
        onkeydown: (event) => this._keydown(event), oninput: () => this._typed(),
      });
      const form = h("form", { class: "composer", novalidate: true, onsubmit: (event) => this._submit(event) },
        h("div", { role: "status" }, this._banner), this._error,
        h("div", { class: "field" },
          h("label", { for: "input", class: "unseen" }, "Câu hỏi của " + you), this._input,
          h("button", { type: "submit", class: "send" }, icon("send"), "Gửi")),
        this._count, h("p", { class: "keys", id: "keys" }, "Enter để gửi, Shift + Enter để xuống dòng"));
      this._root = h("section", { class: "chat", "aria-label": title, hidden: true, onkeydown: (event) => this._escape(event) },
        h("header", { class: "head" }, h("div", { class: "column" },
          h("div", { class: "who" }, h("slot", { name: "heading" }, h("h2", null, title)),
            h("p", null, "Trợ lý tự động, trích nguyên văn")),
          this._large)),
        this._scroll, h("div", { class: "over" }, this._newer), form);

      const show = () => {
        this._root.hidden = false;
        this._fit();
        this._toEnd();
        this._backToPlace();
      };
      const style = h("link", { rel: "stylesheet", href: this.getAttribute("stylesheet") || new URL("sotay-chat.css", SCRIPT).href, onload: show, onerror: show });
      this.attachShadow({ mode: "open" }).append(style, this._root);

      this._setLarge(recall("localStorage", LARGE_KEY) === "yes");
      this._input.value = recall("sessionStorage", this._key + ":draft") || "";
      if (window.ResizeObserver) new ResizeObserver(() => this._pinned && this._toEnd()).observe(this._scroll);
    }

    _greet() {
      if (this._log.firstChild || this._queue.length) return;
      const you = this._address.toLowerCase();
      this._log.append(this._bubble("bot greeting", "Trợ lý:",
        h("p", null, "Kính chào " + you + "!"),
        h("p", null, "Xin " + you + " nhập câu hỏi về Điều lệ hoặc quy định. Tôi là máy: tôi tìm điều khoản đang có hiệu lực và trích nguyên văn, kèm nguồn để " + you + " đối chiếu.")));
      const questions = this._questions();
      if (!questions.length) return;
      this._chips.append(h("p", { class: "chips-label" }, "Có thể bắt đầu bằng một câu hỏi:"),
        ...questions.map((question) => h("button", { type: "button", class: "chip", onclick: (event) => this._tap(event, question) }, question)));
    }

    _questions() {
      const child = this.querySelector('script[type="application/json"]');
      const source = this.getAttribute("suggestions") || (child && child.textContent);
      if (!source) return [];
      try {
        return list(JSON.parse(source)).map(String);
      } catch (error) {
        console.warn("sotay-chat: suggestions are not a JSON list of strings", error);
        return [];
      }
    }

    _bubble(kind, author, ...content) {
      return h("div", { class: "message " + kind }, h("span", { class: "unseen" }, author), ...content);
    }

    _memberNode(message) {
      const state = h("span", { class: "state" }, message.at ? timeElement(message.at) : "");
      return this._bubble("member", this._address + ":", h("p", { class: "text" }, message.text), h("div", { class: "foot" }, state));
    }

    _botNode(message) {
      const { lead, quote, tail } = split(message);
      const [first, ...further] = message.citations;
      const node = this._bubble("bot", "Trợ lý:", lead ? h("p", { class: "text" }, lead) : null);
      if (first) {
        node.append(h("figure", null,
          quote ? h("blockquote", null, ...this._marked(quote, first.highlight)) : null,
          h("figcaption", null, this._link(first.url, labelOf(first), "source"), this._badge(first))));
      }
      if (tail) node.append(h("p", { class: "text" }, tail));
      if (further.length) {
        node.append(this._links("Xem thêm", further.map((citation) =>
          [this._link(citation.url, labelOf(citation)), this._badge(citation), h("span", { class: "preview" }, citation.quote || "")])));
      }
      if (message.suggestions.length) {
        const provisions = message.suggestions.every((suggestion) => String(suggestion.url).startsWith("/documents/"));
        node.append(this._links(provisions ? "Các điều gần nhất" : "Mở trang", message.suggestions.map((suggestion) => [this._link(suggestion.url, suggestion.heading)])));
      }
      const spoken = [lead, quote, first ? citationLine(first) : "", tail].filter(Boolean).join("\n");
      node.append(h("div", { class: "foot" },
        h("button", { type: "button", class: "tool speak", "aria-pressed": "false", onclick: (event) => this._speak(event.currentTarget, spoken) },
          icon("speak"), h("span", null, "Đọc to")),
        first ? h("button", { type: "button", class: "tool copy", onclick: (event) => this._copy(event.currentTarget, first) },
          icon("copy"), h("span", null, "Sao chép")) : null,
        timeElement(message.at)));
      if (message.choices.length) node.append(this._choices(message.choices));
      return node;
    }

    /** The quotation with its deciding sentence marked; offsets count code points, not UTF-16 units. */
    _marked(quote, highlight) {
      const points = Array.from(quote);
      if (!highlight || highlight.start < 0 || highlight.end <= highlight.start || highlight.end > points.length) return [dense(quote)];
      const cut = (start, end) => dense(points.slice(start, end).join(""));
      return [cut(0, highlight.start), h("mark", null, cut(highlight.start, highlight.end)), cut(highlight.end)];
    }

    _link(url, label, kind) {
      let target = null;
      try {
        if (url) target = new URL(url, this._base + "/");
      } catch (error) {
        console.warn("sotay-chat: not an address", url);
      }
      if (!target || !/^https?:$/.test(target.protocol)) return h("span", { class: kind }, label);
      return h("a", { href: target.href, class: kind }, label);
    }

    _links(label, items) {
      return h("div", { class: "links" }, label ? h("p", { class: "links-label" }, label) : null,
        h("ul", null, ...items.map((item) => h("li", null, ...item.filter(Boolean)))));
    }

    _badge(citation) {
      const status = citation.document && citation.document.status;
      return STATUS[status] ? h("span", { class: "badge " + status }, STATUS[status]) : null;
    }

    _choices(choices) {
      const group = h("div", { class: "choices", role: "group", "aria-label": "Lựa chọn" });
      choices.forEach((choice) => {
        group.append(h("button", { type: "button", class: "chip", onclick: (event) => {
          this._closeChoices(group, choice.title);
          this._tap(event, choice.title, choice.token, group);
        } }, choice.title));
      });
      return group;
    }

    _closeChoices(group, title) {
      group.querySelectorAll("button").forEach((button) => {
        button.disabled = true;
        if (button.textContent === title) button.classList.add("chosen");
      });
    }

    // ---- what the member does

    _submit(event) {
      event.preventDefault();
      const text = this._input.value;
      if (!text.trim()) return this._fail("Xin " + this._address.toLowerCase() + " nhập câu hỏi trước khi gửi.");
      if (this._length(text) > MAX_LENGTH) {
        return this._fail("Câu hỏi dài quá " + MAX_LENGTH.toLocaleString("vi-VN") + " ký tự. Xin rút gọn rồi gửi lại.");
      }
      this._input.value = "";
      this._typed();
      this._enqueue(text);
      return undefined;
    }

    /** A chip or a choice: the keyboard goes on in the text field, a finger must not make the on-screen keyboard jump up. */
    _tap(event, text, choice, group) {
      const byKeyboard = event.detail === 0;
      this._enqueue(text, choice, group);
      if (byKeyboard) this._input.focus();
      else this._scroll.focus({ preventScroll: true });
    }

    _keydown(event) {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      this._submit(event);
    }

    _escape(event) {
      if (event.key !== "Escape" || event.isComposing) return;
      this._silence();
      this._fail("");
      this._input.focus();
    }

    _typed() {
      const used = this._length(this._input.value);
      const near = used > COUNT_FROM;
      this._count.textContent = near ? used.toLocaleString("vi-VN") + "/" + MAX_LENGTH.toLocaleString("vi-VN") + " ký tự" : "";
      this._fail("");
      this._fit();
      remember("sessionStorage", this._key + ":draft", this._input.value);
    }

    _length(text) {
      return Array.from(text.normalize("NFC")).length;
    }

    /** The field grows with its text; the style sheet sets the limit. */
    _fit() {
      this._input.style.height = "auto";
      this._input.style.height = this._input.scrollHeight + 2 + "px";
    }

    /** An error beside the text field; the empty text takes it away. */
    _fail(message, stay) {
      this._error.textContent = message;
      if (!message) this._input.removeAttribute("aria-invalid");
      else if (!stay) {
        this._input.setAttribute("aria-invalid", "true");
        this._input.focus();
      }
    }

    _setLarge(on) {
      const large = on === undefined ? this._large.getAttribute("aria-pressed") !== "true" : on;
      this._large.setAttribute("aria-pressed", String(large));
      this._root.classList.toggle("large", large);
      if (on === undefined) remember("localStorage", LARGE_KEY, large ? "yes" : "");
      this._fit();
      if (this._pinned) this._toEnd();
    }

    // ---- sending: a queue, one message at a time, in order

    _enqueue(text, choice, group) {
      const item = { id: uuid(), text, at: new Date().toISOString() };
      if (choice) item.choice = choice;
      this._queue.push(item);
      this._store();
      this._showPending(item);
      if (group) this._nodes.get("m:" + item.id).group = group;
      this._fail("");
      this._toEnd();
      this._send();
    }

    _store() {
      remember("sessionStorage", this._key + ":queue", this._queue.length ? JSON.stringify(this._queue) : "");
    }

    _showPending(item) {
      this._chips.textContent = "";
      const node = this._memberNode(item);
      node.classList.add("pending");
      this._nodes.set("m:" + item.id, node);
      this._log.append(node);
      this._state(item, "đang gửi…");
    }

    _state(item, words) {
      const node = this._nodes.get("m:" + item.id);
      const state = node && node.querySelector(".state");
      if (!state || state.textContent === words) return;
      if (words) state.textContent = words;
      else {
        node.classList.remove("pending");
        state.textContent = "";
        state.append(timeElement(item.at));
      }
    }

    async _send() {
      this._stop("send");
      if (this._sending) return;
      this._sending = true;
      try {
        while (this._queue.length && this.isConnected) {
          const item = this._queue[0];
          const answered = () => this._nodes.has("a:" + item.id); // then the server has it, whatever became of the POST
          const outcome = answered() ? {} : await this._post(item);
          if (outcome.wait !== undefined && !answered()) {
            this._queue.forEach((waiting) => this._state(waiting, outcome.reason));
            if (outcome.message) this._error.textContent = outcome.message;
            this._after("send", outcome.wait, () => this._send());
            break;
          }
          this._attempts.send = 0;
          this._queue.shift();
          this._store();
          if (outcome.refused) this._takeBack(item, outcome.refused);
          else this._accepted(item);
        }
      } finally {
        this._sending = false;
        this._showConnection();
      }
    }

    /** One attempt: {} accepted, {refused} never to be sent again as it is, {wait, reason} to be sent again later. */
    async _post(item) {
      const body = { id: item.id, text: item.text };
      if (item.choice) body.choice = item.choice;
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), POST_TIMEOUT);
      let response;
      try {
        response = await fetch(this._base + "/api/chat/messages", {
          method: "POST", credentials: "include", headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body), signal: abort.signal,
        });
      } catch (error) {
        this._unreachable = true;
        return { wait: later(this._attempts.send++), reason: WAIT_NETWORK };
      } finally {
        clearTimeout(timer);
      }
      this._unreachable = false;
      if (response.ok) return {};
      const answer = await response.json().catch(() => null);
      const message = (answer && answer.error && answer.error.message) || "";
      const after = Number(response.headers.get("Retry-After")) * 1000;
      if (response.status === 429) return { wait: after || later(this._attempts.send++ + 2), reason: WAIT_SERVER, message };
      if (response.status >= 500 || response.status === 408) return { wait: after || later(this._attempts.send++), reason: WAIT_SERVER };
      return { refused: message || "Máy chủ không nhận tin nhắn này (mã " + response.status + "). Xin sửa lại rồi gửi." };
    }

    _accepted(item) {
      this._unreachable = false;
      this._error.textContent = "";
      this._state(item, "");
      if (!this._nodes.has("a:" + item.id)) this._awaited.set(item.id, Date.now());
      if (!this._events) this._openStream();
      this._tick();
    }

    /** Refused: the words go back into the field, so nothing typed is lost; choices can be used again. */
    _takeBack(item, message) {
      const node = this._nodes.get("m:" + item.id);
      this._nodes.delete("m:" + item.id);
      if (node) node.remove();
      if (node && node.group) {
        node.group.querySelectorAll("button").forEach((button) => {
          button.disabled = false;
          button.classList.remove("chosen");
        });
      } else {
        this._input.value = [item.text, this._input.value].filter(Boolean).join("\n");
        this._typed();
      }
      this._greet();
      this._fail(message, Boolean(node && node.group));
    }

    // ---- receiving

    /** At the start and on every doubt: the history, then the stream from where the history ends. */
    async _restore() {
      const queued = recall("sessionStorage", this._key + ":queue");
      if (queued && !this._queue.length) {
        try {
          this._queue = list(JSON.parse(queued));
        } catch (error) {
          console.warn("sotay-chat: the stored queue is unreadable", error);
        }
      }
      const known = await this._sync();
      if (!this.isConnected) return;
      if (!this._queue.length && !known) this._greet();
      this._queue.forEach((item) => this._nodes.has("m:" + item.id) || this._showPending(item));
      this._log.setAttribute("aria-live", "polite"); // only what comes from now on is read out
      this._toEnd();
      this._backToPlace();
      if (this._queue.length) this._send();
    }

    /** Back from a document: where the member was reading, unless something was said since. */
    _backToPlace() {
      const [event, top] = (recall("sessionStorage", this._key + ":place") || "").split(":").map(Number);
      if (!top || event !== this._lastEvent || this._queue.length) return;
      this._scroll.scrollTop = top;
      this._scrolled();
    }

    /** Ask for the history and show what is missing; true when the server answered with at least one message. */
    async _sync() {
      if (this._syncing) return false;
      this._syncing = true;
      this._stop("sync");
      const erasures = this._erasures;
      const shown = this._lastEvent;
      try {
        const response = await fetch(this._base + "/api/chat/history", { credentials: "include", cache: "no-store" });
        if (!response.ok) throw new Error("history answered " + response.status);
        const history = await response.json();
        this._attempts.history = 0;
        if (erasures !== this._erasures) return false; // asked before the conversation was erased: it is asked again below
        const erased = history.messages.some((message) => message.clears && !this._nodes.has("e:" + message.event_id));
        if (history.last_event_id < shown || erased) this._forget(); // another session, or erased: show what the server knows
        this._merge(history);
        if (history.messages.length && !this._events && this.isConnected) this._openStream();
        this._unreachable = false;
        return history.messages.length > 0;
      } catch (error) {
        console.warn("sotay-chat: no history yet", error);
        this._unreachable = true;
        this._after("sync", later(this._attempts.history++), () => this._sync());
        return false;
      } finally {
        this._syncing = false;
        this._showConnection();
        if (erasures !== this._erasures) this._sync();
      }
    }

    _merge(history) {
      const answered = new Set(history.messages.map((message) => message.in_reply_to));
      let previous = null;
      let open = null;
      const greeting = this._log.querySelector(".greeting");
      if (greeting && history.messages.length && !this._nodes.size) greeting.remove(); // shown only because the history was late
      history.messages.forEach((message) => {
        const member = message.role === "member";
        if (!member && message.event_id === null) return; // not sent yet: it will come as an event
        const key = member ? "m:" + message.id : "e:" + message.event_id;
        let node = this._nodes.get(key);
        if (!node) {
          node = member ? this._memberNode(message) : this._botNode(this._clean(message));
          this._nodes.set(key, node);
          if (previous) previous.after(node);
          else this._log.prepend(node);
          if (!member) this._arrived(message, node);
        }
        if (member && open) {
          const group = open.querySelector(".choices");
          const used = group && Array.from(group.querySelectorAll("button")).some((button) => button.textContent === message.text);
          if (used) this._closeChoices(group, message.text);
        }
        if (member) this._settle(message);
        open = member ? null : node;
        previous = node;
        if (member && !answered.has(message.id) && Date.now() - new Date(message.at) < GIVE_UP_AFTER && !this._awaited.has(message.id)) {
          this._awaited.set(message.id, Date.now());
        }
      });
      this._lastEvent = Math.max(this._lastEvent, history.last_event_id);
      if (history.messages.length) this._chips.textContent = "";
      this._tick();
    }

    /** The server has this message: it need not be sent again, whatever became of the answer to the POST. */
    _settle(message) {
      const at = this._queue.findIndex((item) => item.id === message.id);
      if (at < 0 || (at === 0 && this._sending)) return;
      this._queue.splice(at, 1);
      this._store();
      this._state(message, "");
    }

    _forget() {
      this._nodes.forEach((node, key) => {
        if (key.startsWith("a:") || this._queue.some((item) => key === "m:" + item.id)) return;
        node.remove();
        this._nodes.delete(key);
      });
      this._lastEvent = 0;
      this._awaited.clear();
      this._closeStream();
    }

    _clean(message) {
      return {
        text: String(message.text || ""), citations: list(message.citations), choices: list(message.choices),
        suggestions: list(message.suggestions), at: message.at || new Date().toISOString(),
      };
    }

    _openStream() {
      this._closeStream();
      const url = this._base + "/api/chat/events?last_event_id=" + this._lastEvent;
      const events = (this._events = new EventSource(url, { withCredentials: true }));
      const opened = Date.now();
      events.onopen = () => {
        this._streamDown = false;
        this._showConnection();
      };
      events.addEventListener("message", (event) => {
        this._attempts.stream = 0;
        this._received(Number(event.lastEventId), event.data);
      });
      // The browser's own reconnecting gives up on an error status: every end of the stream is opened again from here.
      events.onerror = () => {
        if (events !== this._events) return;
        this._closeStream();
        if (Date.now() - opened > 10000) this._attempts.stream = 0;
        this._streamDown = this._attempts.stream > 1;
        this._after("stream", later(this._attempts.stream++), () => this._openStream());
        this._showConnection();
      };
    }

    _closeStream() {
      this._stop("stream");
      if (this._events) this._events.close();
      this._events = null;
    }

    _received(id, data) {
      if (this._nodes.has("e:" + id)) return;
      this._lastEvent = Math.max(this._lastEvent, id);
      let message;
      try {
        message = JSON.parse(data);
      } catch (error) {
        console.error("sotay-chat: event " + id + " is not JSON", error);
        return;
      }
      this._unreachable = false;
      if (message.clears) {
        this._erasures += 1;
        this._forget();
        this._sync(); // what is left of the conversation, this message included
        return;
      }
      const asked = this._queue.find((item) => item.id === message.in_reply_to);
      if (asked) {
        this._state(asked, ""); // the answer can be faster than the acknowledgement of its question
        this._settle(asked);
        this._showConnection();
      }
      const follow = this._pinned;
      const node = this._botNode(this._clean(message));
      this._nodes.set("e:" + id, node);
      const pending = this._log.querySelector(".pending");
      if (pending) pending.before(node); // what is not sent yet stays last
      else this._log.append(node);
      this._chips.textContent = "";
      this._arrived(message, node);
      if (follow) this._reveal(node);
      else this._newer.hidden = false;
      // Asked from another window of the same session: fetch the question too.
      if (message.in_reply_to && !this._nodes.has("m:" + message.in_reply_to)) this._sync();
    }

    _arrived(message, node) {
      if (message.in_reply_to) this._nodes.set("a:" + message.in_reply_to, node);
      this._awaited.delete(message.in_reply_to);
      this._tick();
    }

    /** While an answer is awaited: the indicator, and after some seconds the history as a second way. */
    _tick() {
      this._stop("tick");
      const now = Date.now();
      this._awaited.forEach((since, id) => now - since > GIVE_UP_AFTER && this._awaited.delete(id) && (this._late = true));
      const waiting = this._awaited.size ? now - Math.min(...this._awaited.values()) : -1;
      if (waiting < 0) {
        this._typing.hidden = !this._late;
        this._typing.classList.toggle("late", Boolean(this._late));
        if (this._late) this._typingText.textContent = "Câu trả lời đến chậm hơn thường lệ, sẽ hiện ở đây khi có.";
        this._late = false;
        return;
      }
      const words = waiting > SLOW_AFTER ? "Vẫn đang tìm, xin " + this._address.toLowerCase() + " chờ một chút…" : "Đang tìm…";
      const first = this._typing.hidden;
      if (this._typingText.textContent !== words) this._typingText.textContent = words;
      this._typing.hidden = false;
      this._typing.classList.remove("late");
      if (first && this._pinned) this._toEnd();
      if (waiting > POLL_AFTER && now - (this._polled || 0) > POLL_EVERY) {
        this._polled = now;
        this._closeStream(); // it may be the stream of a session that has ended: the history opens it again
        this._sync();
      }
      this._after("tick", 1000, () => this._tick());
    }

    // ---- connection

    /** The network is back, the page is in front again, or the member asks: try everything now. */
    _wake() {
      this._attempts = { send: 0, stream: 0, history: 0 };
      this._closeStream();
      this._sync();
      if (this._queue.length) this._send();
    }

    _visibility() {
      if (document.hidden) this._after("hidden", HIDDEN_CLOSE_AFTER, () => this._closeStream());
      else {
        this._stop("hidden");
        if (!this._events) this._wake();
      }
    }

    _showConnection() {
      const waiting = this._queue.length > 0 && this._timers.send !== undefined;
      const down = navigator.onLine === false || this._unreachable || this._streamDown;
      this._banner.hidden = !(waiting || down);
      let words = down ? "Mất kết nối. Đang thử nối lại…" : "Máy chủ đang bận.";
      if (waiting) words = down ? "Mất kết nối. Tin nhắn sẽ tự gửi khi có mạng." : "Máy chủ đang bận. Tin nhắn sẽ tự gửi lại.";
      if (!this._banner.hidden && this._connection.textContent !== words) this._connection.textContent = words;
    }

    // ---- scrolling

    _scrolled() {
      const left = this._scroll.scrollHeight - this._scroll.scrollTop - this._scroll.clientHeight;
      this._pinned = left < 60;
      if (this._pinned) this._newer.hidden = true;
    }

    _toEnd() {
      this._scroll.scrollTop = this._nodes.size ? this._scroll.scrollHeight : 0; // a greeting is read from its beginning
      this._pinned = true;
      this._newer.hidden = true;
    }

    /** A new answer: its beginning stays in view even when it is longer than the window. */
    _reveal(node) {
      const excess = node.getBoundingClientRect().top - this._scroll.getBoundingClientRect().top - 12;
      const tall = node.offsetHeight + 24 > this._scroll.clientHeight;
      this._scroll.scrollTop = tall ? this._scroll.scrollTop + excess : this._scroll.scrollHeight;
    }

    // ---- reading aloud and copying

    _findVoice() {
      this._voice = speechSynthesis.getVoices().find((voice) => /^vi([-_]|$)/i.test(voice.lang)) || null;
      this._root.classList.toggle("has-voice", Boolean(this._voice));
    }

    /** Read in short pieces: long ones are cut off by some engines. The same button stops. */
    _speak(button, text) {
      const speaking = button.getAttribute("aria-pressed") === "true";
      this._silence();
      if (speaking || !this._voice) return;
      const pieces = text.normalize("NFC").match(/[^.;:!?\n]+[.;:!?\n]*/g) || [];
      this._speaking = button;
      button.setAttribute("aria-pressed", "true");
      button.lastChild.textContent = "Dừng đọc";
      this._utterances = pieces.map((piece) => piece.trim()).filter(Boolean).map((piece) => {
        const utterance = new SpeechSynthesisUtterance(piece);
        utterance.voice = this._voice;
        utterance.lang = this._voice.lang;
        utterance.rate = 0.95;
        return utterance;
      });
      if (!this._utterances.length) return this._silence();
      const last = this._utterances[this._utterances.length - 1];
      const done = () => this._speaking === button && this._utterances.includes(last) && this._silence();
      last.onend = done;
      last.onerror = done;
      this._utterances.forEach((utterance) => speechSynthesis.speak(utterance));
      return undefined;
    }

    _silence() {
      if (!this._speaking) return;
      this._speaking.setAttribute("aria-pressed", "false");
      this._speaking.lastChild.textContent = "Đọc to";
      this._speaking = null;
      this._utterances = [];
      speechSynthesis.cancel();
    }

    async _copy(button, citation) {
      const issuer = citation.document && citation.document.issuer;
      const text = "“" + citation.quote + "” (" + citationLine(citation) + (issuer ? ", " + issuer : "") + ")";
      const label = button.lastChild;
      let copied = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch (error) {
        copied = this._copyBySelection(text); // no clipboard on a page without TLS
        button.focus();
      }
      label.textContent = copied ? "Đã sao chép" : "Không sao chép được";
      setTimeout(() => (label.textContent = "Sao chép"), 3000);
    }

    _copyBySelection(text) {
      const area = h("textarea", { class: "unseen", readonly: true });
      area.value = text;
      this._root.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      return copied;
    }
  }

  customElements.define("sotay-chat", SotayChat);
})();
