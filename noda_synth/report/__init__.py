"""The report of a rendered set: one HTML page that needs no server, no network and no other file.

`write` goes through the set, `thumbs` makes what the gallery shows of each render, `tables` the tables, and `page`
puts them together with page.html, page.css and page.js, which lie beside these modules.
"""
