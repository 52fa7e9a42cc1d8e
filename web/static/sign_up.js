/**
 * The camera on the page of a sign-up by photographs. Everything works without this file, by file inputs and forms.
 *
 * Where the sign-up stands is known to the server alone: after each step the page's own HTML is fetched again and put in the
 * place of the step before, so that the permission for the camera is asked for once. Written for old Android browsers
 * (Chrome 60): ES5 but for promises where the camera itself needs them. No third party, nothing inline, no markup from strings.
 */
(function () {
  "use strict";

  var PAGE = "/sign-up";
  var CARD_LONGEST = 1800; // pixels: small print stays readable, the picture weighs about 400 KB
  var FACE_WIDTH = 480;
  var MAX_BYTES = 16000000; // as the server
  var BACKOFF = [1000, 2000, 4000, 8000, 15000]; // milliseconds, as all times below
  var SEND_TIMEOUT = 90000;
  var POLL = { // while a machine works, and while a person looks: [first wait, longest wait], each wait 1.5 times the one before
    number: [2000, 10000],
    reading: [1000, 15000],
    checking: [1000, 15000],
    review: [5000, 60000]
  };
  var LOOK_EVERY = 200;
  var STEADY = 5; // looks in a row that find nothing to mend, then the shutter goes by itself
  var LEAD = 1000; // from the words to the first picture: people need to hear and begin to turn
  var BETWEEN = 400;
  var LOOK_WIDTH = 240; // pixels of the small picture that is looked at
  var FULL = "Máy đầy bộ nhớ nên chưa chụp được. Đóng bớt ứng dụng rồi bấm nút để chụp lại.";

  var main = document.getElementById("noi-dung");
  var stream = null;
  var run = 0; // whatever belongs to an earlier step ends when this number has moved on

  function root() {
    return main.querySelector(".sign-up");
  }

  function find(selector) {
    return main.querySelector(selector);
  }

  function say(element, words) {
    if (element && element.textContent !== words) element.textContent = words;
  }

  function tell(words) {
    var bar = find(".sending");
    if (!bar) return;
    bar.hidden = !words;
    say(bar, words);
  }

  // ------------------------------------------------------------------------------------------------- the network

  /** Ask where the sign-up stands: done(its state, "none" where this browser has none), or failed(). */
  function ask(done, failed) {
    var request = new XMLHttpRequest();
    request.open("GET", PAGE + "/status");
    request.timeout = 10000;
    request.onload = function () {
      var state = "";
      try {
        state = request.status === 403 ? "none" : request.status === 200 ? JSON.parse(request.responseText).state : "";
      } catch (error) {
        state = "";
      }
      if (state) done(state);
      else failed();
    };
    request.onerror = failed;
    request.ontimeout = failed;
    request.send();
  }

  /**
   * Send a form until it is taken; the pictures stay in memory meanwhile. done(content, refusal in words or "").
   * What was taken although the answer was lost is not sent twice: the step has changed by then.
   */
  function send(path, form, done, words) {
    var mine = run;
    var tries = 0;
    var waiting = null;
    var state = root().getAttribute("data-state");

    function again() {
      if (mine !== run) return;
      tell(navigator.onLine === false ? "Mất mạng. Ảnh vẫn ở trong máy, có mạng sẽ tự gửi lại." : "Chưa gửi được, đang thử lại…");
      waiting = setTimeout(once, BACKOFF[Math.min(tries, BACKOFF.length - 1)]);
      tries += 1;
    }

    function once() {
      if (mine !== run) return;
      clearTimeout(waiting);
      waiting = null;
      ask(function (now) {
        if (mine !== run) return;
        if (now === state) attempt();
        else show("");
      }, again);
    }

    function attempt() {
      if (mine !== run) return;
      var request = new XMLHttpRequest();
      request.open("POST", PAGE + path);
      request.timeout = SEND_TIMEOUT;
      request.setRequestHeader("Accept", "application/json");
      if (words) {
        tell(words);
        request.upload.onprogress = function (event) {
          if (event.lengthComputable) tell(words + " " + Math.round((100 * event.loaded) / event.total) + " %");
        };
      }
      request.onerror = again;
      request.ontimeout = again;
      request.onload = function () {
        if (mine !== run) return;
        var status = request.status;
        if (status >= 500 || status === 429) return again();
        tell("");
        var content = {};
        try {
          content = JSON.parse(request.responseText);
        } catch (error) {
          content = {};
        }
        var refusal = content.error && (content.error.message || content.error);
        if (status >= 400 && status !== 409 && !refusal) refusal = "Chưa gửi được. Xin tải lại trang rồi làm lại.";
        done(content, refusal || "");
      };
      request.send(form);
    }

    window.addEventListener("online", function retry() {
      if (mine !== run) window.removeEventListener("online", retry);
      else if (waiting) once();
    });
    attempt();
  }

  /** Put the step at which the server stands in the place of this one; *refusal* is shown on it. */
  function show(refusal) {
    leave();
    var mine = run;
    var tries = 0;
    function attempt() {
      if (mine !== run) return;
      var request = new XMLHttpRequest();
      request.open("GET", PAGE);
      request.responseType = "document";
      request.timeout = SEND_TIMEOUT;
      request.onload = function () {
        if (mine !== run) return;
        var fresh = request.response && request.response.querySelector("main .sign-up");
        if (request.status >= 500 || request.status === 429) return again();
        if (!fresh) {
          location.replace(PAGE);
          return;
        }
        document.title = request.response.title;
        main.replaceChild(document.importNode(fresh, true), root());
        var bar = document.querySelector("header.site"); // it may say "Hồ sơ" now
        bar.parentNode.replaceChild(document.importNode(request.response.querySelector("header.site"), true), bar);
        enter(refusal || "");
      };
      request.onerror = again;
      request.ontimeout = again;
      request.send();
    }
    function again() {
      tell("Mất mạng, đang thử lại…");
      setTimeout(attempt, BACKOFF[Math.min(tries, BACKOFF.length - 1)]);
      tries += 1;
    }
    attempt();
  }

  function answered(content, refusal) {
    show(refusal);
  }

  function form() {
    var made = new FormData();
    made.append("csrf", root().getAttribute("data-csrf"));
    return made;
  }

  // --------------------------------------------------------------------------------------------------- the steps

  function enter(refusal) {
    run += 1;
    var state = root().getAttribute("data-state");
    if (refusal && state !== "none") warn(refusal);
    if (POLL[state]) wait(state);
    else if (find("[data-camera]")) offerCamera(find("[data-camera]"));
    else release();
    var forms = main.querySelectorAll("form");
    for (var index = 0; index < forms.length; index += 1) takeOver(forms[index]);
    var heading = document.getElementById("heading");
    if (heading) heading.focus();
    window.scrollTo(0, 0);
  }

  function leave() {
    run += 1;
  }

  function warn(words) {
    var box = document.createElement("p");
    box.className = "notice bad";
    box.setAttribute("role", "alert");
    box.textContent = words;
    var heading = document.getElementById("heading");
    heading.parentNode.insertBefore(box, heading.nextSibling);
  }

  /** A large button with our own words in the place of the browser's, which may speak another language; the name of what was chosen. */
  function pick(element, input) {
    var label = element.querySelector(".pick");
    var name = element.querySelector(".picked");
    label.hidden = false;
    input.classList.add("unseen");
    input.addEventListener("change", function () {
      var chosen = input.files.length > 0;
      name.hidden = !chosen;
      say(name, chosen ? "Đã chọn: " + input.files[0].name : "");
    });
  }

  /** A form without a reload: files are made smaller first, and sent again when the network is lost. */
  function takeOver(element) {
    var pressed = null;
    var input = element.querySelector('input[type="file"]');
    if (input) pick(element, input);
    var buttons = element.querySelectorAll("button");
    for (var index = 0; index < buttons.length; index += 1) {
      buttons[index].addEventListener("click", function (event) {
        pressed = event.currentTarget;
      });
    }
    element.addEventListener("submit", function (event) {
      event.preventDefault();
      if (element.getAttribute("data-sent")) return;
      element.setAttribute("data-sent", "yes");
      var path = element.getAttribute("action").slice(PAGE.length);
      var content = form();
      if (pressed && pressed.name) content.append(pressed.name, pressed.value);
      if (!input) {
        send(path, content, answered, "Đang gửi…");
        return;
      }
      release();
      smaller(input.files[0], path === "/card" ? CARD_LONGEST : 1200, function (picture) {
        if (picture.size > MAX_BYTES) {
          show("Ảnh nặng quá 16 MB. Xin chọn ảnh nhẹ hơn, hoặc chụp lại.");
          return;
        }
        content.append("photo", picture, "photo.jpg");
        send(path, content, answered, "Đang gửi ảnh…");
      });
    });
  }

  /** Wait for the state that follows: seldomer and seldomer, and not at all while nobody looks at the page. */
  function wait(state) {
    var mine = run;
    var began = Date.now();
    var words = find("[data-waiting]");
    var pause = POLL[state][0];
    var planned = null;

    release();
    function plan(milliseconds) {
      clearTimeout(planned);
      planned = setTimeout(look, milliseconds);
    }
    function look() {
      planned = null;
      if (mine !== run || document.hidden) return;
      ask(answer, lost);
    }
    function answer(now) {
      if (mine !== run) return;
      if (now !== state) return show("");
      var seconds = (Date.now() - began) / 1000;
      if (words && seconds > 60) {
        say(words, "Lâu hơn thường lệ. Có thể đóng trang này rồi mở lại sau, không mất gì.");
      } else if (words && seconds > 12) {
        say(words, "Vẫn đang làm, xin đợi thêm một chút…");
      }
      plan(pause);
      pause = Math.min(1.5 * pause, POLL[state][1]);
    }
    function lost() {
      if (mine !== run) return;
      if (words) say(words, "Mất mạng. Có mạng lại trang sẽ tự tiếp tục.");
      plan(Math.max(pause, 2000));
      pause = Math.min(1.5 * pause, POLL[state][1]);
    }
    document.addEventListener("visibilitychange", function seen() {
      if (mine !== run) document.removeEventListener("visibilitychange", seen);
      else if (!document.hidden && planned === null) plan(500);
    });
    plan(pause);
  }

  // -------------------------------------------------------------------------------------------------- the camera

  function offerCamera(box) {
    var kind = box.getAttribute("data-camera");
    box.hidden = false;
    var can = navigator.mediaDevices && navigator.mediaDevices.getUserMedia && HTMLCanvasElement.prototype.toBlob;
    if (!can) {
      box.querySelector(".before").hidden = true;
      trouble(
        window.isSecureContext === false
          ? "Trang này mở không qua https nên trình duyệt không cho dùng máy ảnh. Xin gửi tệp ảnh ở dưới."
          : "Trình duyệt này không dùng được máy ảnh trong trang. Xin gửi tệp ảnh ở dưới."
      );
      return;
    }
    box.querySelector("[data-open]").addEventListener("click", function () {
      openCamera(box, kind);
    });
    release(); // also where a picture has to be taken again: the advice is read first, the shutter goes by itself soon enough
  }

  function trouble(words) {
    var box = find(".trouble");
    if (!box) return;
    box.hidden = false;
    say(box, words);
  }

  function refusalOf(error) {
    var name = error && error.name;
    if (name === "NotAllowedError" || name === "PermissionDeniedError" || name === "SecurityError") {
      return "Máy chưa cho trang này dùng máy ảnh. Bấm biểu tượng ổ khóa cạnh địa chỉ trang để cho phép rồi thử lại, hoặc gửi tệp ảnh ở dưới.";
    }
    if (name === "NotFoundError" || name === "DevicesNotFoundError") {
      return "Không tìm thấy máy ảnh trên máy này. Xin gửi tệp ảnh ở dưới.";
    }
    if (name === "NotReadableError" || name === "TrackStartError") {
      return "Máy ảnh đang được ứng dụng khác dùng. Xin đóng ứng dụng ấy rồi thử lại, hoặc gửi tệp ảnh ở dưới.";
    }
    return "Không mở được máy ảnh. Xin thử lại, hoặc gửi tệp ảnh ở dưới.";
  }

  function release() {
    if (!stream) return;
    var tracks = stream.getTracks();
    for (var index = 0; index < tracks.length; index += 1) tracks[index].stop();
    stream = null;
  }

  function openCamera(box, kind) {
    var mine = run;
    var button = box.querySelector("[data-open]");
    var wanted =
      kind === "card"
        ? { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1440 } }
        : { facingMode: { ideal: "user" }, width: { ideal: 960 }, height: { ideal: 720 } };
    button.disabled = true;
    find(".trouble").hidden = true;
    release();
    navigator.mediaDevices.getUserMedia({ video: wanted, audio: false }).then(
      function (given) {
        if (mine !== run) {
          given.getTracks().forEach(function (track) {
            track.stop();
          });
          return;
        }
        stream = given;
        button.disabled = false;
        box.querySelector(".before").hidden = true;
        box.querySelector(".shooting").hidden = false;
        var video = box.querySelector("video");
        video.muted = true;
        video.srcObject = given;
        var playing = video.play();
        if (playing && playing["catch"]) playing["catch"](function () {});
        given.getVideoTracks()[0].addEventListener("ended", function () {
          if (mine === run) closed(box, "Máy ảnh đã bị ngắt. Bấm nút để mở lại.");
        });
        root().classList.add("on-camera");
        box.scrollIntoView(true);
        if (kind === "card") guideCard(box, video);
        else beginFace(box, video);
      },
      function (error) {
        if (mine !== run) return;
        button.disabled = false;
        trouble(refusalOf(error));
      }
    );
  }

  /** Back to the button that opens the camera, saying why. */
  function closed(box, words) {
    run += 1;
    release();
    root().classList.remove("on-camera");
    box.querySelector(".before").hidden = false;
    box.querySelector(".shooting").hidden = true;
    trouble(words);
  }

  /** The part of the picture that the page shows (object-fit: cover): x, y, width, height in the camera's own pixels. */
  function visible(video) {
    var width = video.videoWidth;
    var height = video.videoHeight;
    var scale = Math.max(video.clientWidth / width, video.clientHeight / height);
    var shownWidth = Math.min(width, video.clientWidth / scale);
    var shownHeight = Math.min(height, video.clientHeight / scale);
    return { x: (width - shownWidth) / 2, y: (height - shownHeight) / 2, width: shownWidth, height: shownHeight };
  }

  function drawn(source, part, width) {
    var canvas = document.createElement("canvas");
    canvas.width = Math.round(width);
    canvas.height = Math.round((width * part.height) / part.width);
    canvas.getContext("2d").drawImage(source, part.x, part.y, part.width, part.height, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  function greyOf(canvas) {
    var pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    var values = new Float32Array(canvas.width * canvas.height);
    for (var index = 0; index < values.length; index += 1) {
      values[index] = 0.299 * pixels[4 * index] + 0.587 * pixels[4 * index + 1] + 0.114 * pixels[4 * index + 2];
    }
    return { values: values, width: canvas.width, height: canvas.height };
  }

  // ---------------------------------------------------------------------------------------------------- the card

  var GUIDE = { left: 0.06, right: 0.94, top: 0.13, bottom: 0.87 }; // of the view, as .frame in the style sheet
  var BAND = 0.08; // of the view's width: how far an edge of the card may lie from the frame
  var EDGE = 9; // grey levels from one side of an edge to the other, averaged along it

  /**
   * How many of four stretches of a side show an edge between *from* and *to* (pixels across the side).
   * Along the side the differences are added with their sign: print and wood grain cancel out, an edge does not.
   */
  function stretches(grey, vertical, from, to) {
    var length = vertical ? grey.height : grey.width;
    var start = Math.round(length * 0.25);
    var part = Math.floor((length * 0.5) / 4);
    var low = Math.max(2, Math.round(Math.min(from, to)));
    var high = Math.min((vertical ? grey.width : grey.height) - 3, Math.round(Math.max(from, to)));
    var found = 0;
    for (var stretch = 0; stretch < 4; stretch += 1) {
      var best = 0;
      for (var across = low; across <= high; across += 1) {
        var sum = 0;
        for (var along = start + stretch * part; along < start + (stretch + 1) * part; along += 1) {
          sum += vertical
            ? grey.values[along * grey.width + across + 2] - grey.values[along * grey.width + across - 2]
            : grey.values[(across + 2) * grey.width + along] - grey.values[(across - 2) * grey.width + along];
        }
        best = Math.max(best, Math.abs(sum) / part);
      }
      if (best >= EDGE) found += 1;
    }
    return found;
  }

  /** Sides of the card (0 to 4) that lie *shift* (share of the view's width) inside the frame, give or take *reach*. */
  function sides(grey, shift, reach) {
    var step = shift * grey.width;
    var wide = reach * grey.width;
    var left = GUIDE.left * grey.width + step;
    var right = GUIDE.right * grey.width - step;
    var top = GUIDE.top * grey.height + step * 0.63; // a card is 1.586 times as wide as high
    var bottom = GUIDE.bottom * grey.height - step * 0.63;
    var count = 0;
    if (stretches(grey, true, left - wide, left + wide) >= 3) count += 1;
    if (stretches(grey, true, right - wide, right + wide) >= 3) count += 1;
    if (stretches(grey, false, top - wide, top + wide) >= 3) count += 1;
    if (stretches(grey, false, bottom - wide, bottom + wide) >= 3) count += 1;
    return count;
  }

  /** Mean lightness and the share of burnt-out pixels inside the frame, and how much changed since *before*. */
  function light(grey, before) {
    var sum = 0;
    var burnt = 0;
    var moved = 0;
    var count = 0;
    for (var y = Math.round(GUIDE.top * grey.height); y < GUIDE.bottom * grey.height; y += 1) {
      for (var x = Math.round(GUIDE.left * grey.width); x < GUIDE.right * grey.width; x += 1) {
        var value = grey.values[y * grey.width + x];
        sum += value;
        if (value >= 252) burnt += 1;
        if (before) moved += Math.abs(value - before.values[y * grey.width + x]);
        count += 1;
      }
    }
    return { mean: sum / count, burnt: burnt / count, moved: moved / count };
  }

  /** How crisp the middle is at the camera's own size: second differences over contrast, about 0 (fog) to 2 (print). */
  function crispness(video) {
    var part = visible(video);
    var width = Math.min(320, part.width);
    var height = Math.min(240, part.height);
    var middle = { x: part.x + (part.width - width) / 2, y: part.y + (part.height - height) / 2, width: width, height: height };
    var grey = greyOf(drawn(video, middle, width));
    var second = 0;
    var contrast = 0;
    for (var y = 1; y < grey.height - 1; y += 1) {
      for (var x = 1; x < grey.width - 1; x += 1) {
        var at = y * grey.width + x;
        var value = grey.values[at];
        second += Math.abs(4 * value - grey.values[at - 1] - grey.values[at + 1] - grey.values[at - grey.width] - grey.values[at + grey.width]);
        contrast += Math.abs(grey.values[at + 1] - grey.values[at - 1]) + Math.abs(grey.values[at + grey.width] - grey.values[at - grey.width]);
      }
    }
    return contrast ? second / (contrast + 4 * grey.width * grey.height * 0.25) : 0;
  }

  /** What to mend before the shutter, in words; empty when the picture is good. */
  function advice(video, grey, before) {
    var seen = light(grey, before);
    if (seen.mean < 50) return "Tối quá, ra chỗ sáng hơn";
    if (seen.mean > 235) return "Sáng quá, tránh nắng chiếu vào thẻ";
    if (sides(grey, 0, BAND) < 4) {
      return sides(grey, 2 * BAND + 0.01, BAND + 0.01) >= 3 ? "Lại gần hơn" : "Đưa thẻ vào khung";
    }
    if (seen.burnt > 0.04) return "Bị lóa, nghiêng thẻ đi một chút";
    if (seen.moved > 6 || crispness(video) < 0.45) return "Giữ yên, ảnh đang nhòe";
    return "";
  }

  function guideCard(box, video) {
    var mine = run;
    var view = box.querySelector(".view");
    var guide = box.querySelector(".guide");
    var good = 0;
    var pressed = false;
    var before = null;
    var shown = "";
    var since = 0;

    /** New words at most every 1.2 s: who listens to them hears each to its end. */
    function guideBy(words) {
      var now = Date.now();
      if (words === shown || now - since < 1200) return;
      shown = words;
      since = now;
      say(guide, words);
    }

    function look() {
      if (mine !== run) return;
      if (video.videoWidth) {
        if (pressed) return shoot();
        var grey = greyOf(drawn(video, visible(video), LOOK_WIDTH));
        var words = advice(video, grey, before);
        before = grey;
        good = words ? 0 : good + 1;
        view.classList.toggle("good", !words);
        guideBy(words || "Được rồi, giữ yên…");
        if (good >= STEADY) return shoot();
      }
      setTimeout(look, LOOK_EVERY);
    }

    function shoot() {
      if (mine !== run) return;
      pressed = true; // before the camera's first picture, too: it is taken as soon as there is one
      if (!video.videoWidth) return;
      run += 1;
      var part = visible(video);
      var longest = Math.max(part.width, part.height);
      drawn(video, part, part.width * Math.min(1, CARD_LONGEST / longest)).toBlob(
        function (picture) {
          if (!picture) return closed(box, FULL);
          video.pause();
          say(guide, "Đã chụp.");
          var content = form();
          content.append("photo", picture, "card.jpg");
          send("/card", content, answered, "Đang gửi ảnh…");
        },
        "image/jpeg",
        0.85
      );
    }

    box.querySelector("[data-shoot]").onclick = shoot;
    look();
  }

  // ---------------------------------------------------------------------------------------------------- the face

  function beginFace(box, video) {
    var mine = run;
    var guide = box.querySelector(".guide");

    function ready() {
      if (mine !== run) return;
      if (!video.videoWidth) {
        setTimeout(ready, LOOK_EVERY);
        return;
      }
      if (light(greyOf(drawn(video, visible(video), 120)), null).mean < 45) {
        say(guide, "Tối quá, ra chỗ sáng hơn");
        setTimeout(ready, 5 * LOOK_EVERY);
        return;
      }
      send("/challenge", form(), function (content, refusal) {
        if (refusal || !content.poses || !content.poses.length) {
          show(refusal); // no poses: all takes are used, a person looks at it now
          return;
        }
        take(content.poses, content.frames, []);
      });
    }

    function take(poses, frames, taken) {
      var number = 0;
      var hidden = function () {
        if (mine === run && document.hidden) closed(box, "Trang bị che mất trong lúc chụp. Bấm nút để chụp lại từ đầu.");
        if (mine !== run) document.removeEventListener("visibilitychange", hidden);
      };
      document.addEventListener("visibilitychange", hidden);

      function next() {
        if (mine !== run) return;
        if (number === poses.length) {
          var packed = taken.every(function (one) {
            return one.picture;
          });
          if (packed) finish(taken);
          else setTimeout(next, 100);
          return;
        }
        var pose = poses[number];
        point(box, pose.pose);
        say(guide, pose.words);
        say(box.querySelector(".count"), "Lần " + (number + 1) + " trong " + poses.length);
        number += 1;
        setTimeout(function () {
          burst(pose.pose, frames);
        }, LEAD);
      }

      function burst(pose, left) {
        if (mine !== run) return;
        if (!left) {
          next();
          return;
        }
        var one = { pose: pose, picture: null };
        taken.push(one); // in the order taken, however long an old phone needs to pack one
        drawn(video, visible(video), FACE_WIDTH).toBlob(
          function (picture) {
            if (picture) one.picture = picture;
            else if (mine === run) closed(box, FULL);
          },
          "image/jpeg",
          0.85
        );
        setTimeout(function () {
          burst(pose, left - 1);
        }, BETWEEN);
      }

      next();
    }

    function finish(taken) {
      run += 1;
      point(box, "");
      release();
      say(guide, "Xong. Có thể hạ máy xuống.");
      var content = form();
      taken.forEach(function (one, index) {
        content.append("pose", one.pose);
        content.append("frame", one.picture, index + ".jpg");
      });
      send("/frames", content, answered, "Đang gửi ảnh…");
    }

    ready();
  }

  function point(box, pose) {
    var arrow = box.querySelector(".arrow");
    arrow.hidden = !pose || pose === "front";
    arrow.className = "arrow " + pose;
  }

  // --------------------------------------------------------------------------------------------------- the files

  /** A picture of a file, its longer side at most *longest*; the file itself where this browser cannot turn or read it. */
  function smaller(file, longest, done) {
    var turns = window.CSS && CSS.supports && CSS.supports("image-orientation", "from-image");
    if (!turns || file.size < 400000 || !HTMLCanvasElement.prototype.toBlob) {
      done(file);
      return;
    }
    var reader = new FileReader();
    reader.onerror = function () {
      done(file);
    };
    reader.onload = function () {
      var image = new Image();
      image.onerror = function () {
        done(file); // HEIC in most browsers: the server reads it
      };
      image.onload = function () {
        var whole = { x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight };
        var scale = Math.min(1, longest / Math.max(whole.width, whole.height));
        drawn(image, whole, whole.width * scale).toBlob(
          function (picture) {
            done(picture && picture.size < file.size ? picture : file);
          },
          "image/jpeg",
          0.85
        );
      };
      image.src = reader.result;
    };
    reader.readAsDataURL(file);
  }

  window.addEventListener("pagehide", release);
  if (main && root() && root().hasAttribute("data-csrf")) enter("");
})();
