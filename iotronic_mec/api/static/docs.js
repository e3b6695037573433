"use strict";
// Adds the search field; the page is whole without it.
(function () {
  const field = document.getElementById("search");
  const none = document.getElementById("none");
  field.closest("label").hidden = false;
  function show() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    document.querySelectorAll("article").forEach(function (article) {
      const fits = words.every(function (word) { return article.dataset.search.includes(word); });
      article.hidden = !fits;
      const link = document.querySelector('nav a[href="#' + article.id + '"]');
      if (link) { link.parentElement.hidden = !fits; }
      left += fits ? 1 : 0;
    });
    document.querySelectorAll("main section").forEach(function (section) {
      const articles = section.querySelectorAll("article");
      section.hidden = articles.length > 0 && !section.querySelector("article:not([hidden])");
    });
    none.hidden = left > 0;
  }
  field.addEventListener("input", show);
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    }
  });
})();
