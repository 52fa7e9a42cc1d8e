// The console's own script: small helps that HTML alone cannot give. Every page works without it.
"use strict";

const LARGEST_UPLOAD = 64 * 1024 * 1024; // the server's limit (admin/limits.py)
const LOST = "Không liên lạc được với máy chủ. Xin kiểm tra mạng rồi thử lại.";

/** Say *words* in a box before *place*; the box before is replaced. */
function say(place, words) {
  let box = place.parentElement.querySelector(":scope > .notice.said");
  if (!box) {
    box = document.createElement("div");
    box.className = "notice bad said";
    box.setAttribute("role", "alert");
    place.before(box);
  }
  box.textContent = words;
}

/** What can only be done with a script is shown only when there is one. */
function prepare(root) {
  for (const button of root.querySelectorAll("[data-print]")) {
    button.hidden = false;
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) {
    window.print();
  }
});

/** Send a form with files and show how much has been sent; the answer's page is opened as the browser would. */
function upload(form) {
  const sizes = Array.from(form.querySelectorAll("input[type=file]"), (input) => Array.from(input.files, (file) => file.size));
  if (sizes.flat().reduce((sum, size) => sum + size, 0) > LARGEST_UPLOAD) {
    say(form, "Tệp lớn quá 64 MB nên hệ thống không nhận. Xin chọn tệp nhỏ hơn hoặc chia làm nhiều phần.");
    return;
  }
  const button = form.querySelector("button:not([type=button])");
  const bar = document.createElement("progress");
  const words = document.createElement("p");
  bar.max = 100;
  bar.setAttribute("aria-label", "Đang gửi tệp");
  words.className = "hint";
  words.setAttribute("role", "status");
  words.textContent = "Đang gửi tệp…";
  form.append(bar, words);
  button.disabled = true;
  const request = new XMLHttpRequest();
  const done = () => {
    bar.remove();
    words.remove();
    button.disabled = false;
  };
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) {
      bar.value = Math.floor((100 * event.loaded) / event.total);
      bar.textContent = `${bar.value} %`;
    }
  });
  request.upload.addEventListener("load", () => {
    bar.removeAttribute("value");
    words.textContent = "Đã gửi xong, đang đọc tệp…";
  });
  request.addEventListener("load", () => {
    if (request.status < 400) {
      window.location.assign(request.responseURL);
      return;
    }
    done();
    const main = request.response && request.response.querySelector("main");
    if (main) {
      const here = document.querySelector("main");
      here.replaceChildren(...main.childNodes);
      prepare(here);
      window.scrollTo(0, 0);
      here.focus();
    } else {
      say(form, "Hệ thống gặp trục trặc khi nhận tệp. Xin thử lại sau.");
    }
  });
  request.addEventListener("error", () => {
    done();
    say(form, LOST);
  });
  request.open("POST", form.action);
  request.responseType = "document";
  request.send(new FormData(form));
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-upload]")) {
    event.preventDefault();
    upload(event.target);
  }
});

document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
document.addEventListener("htmx:sendError", (event) => say(event.detail.target, LOST));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status !== 401) { // then the browser is on its way to the sign-in
    say(event.detail.target, "Hệ thống chưa làm được việc này. Xin tải lại trang rồi thử lại.");
  }
});

prepare(document);
