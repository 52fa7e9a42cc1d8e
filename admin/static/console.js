// The console's own script: small helps that HTML alone cannot give.
"use strict";
