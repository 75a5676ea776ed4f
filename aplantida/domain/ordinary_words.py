"""Words that people write where a scientific name belongs, and that are no part of one.

GBIF's parser knows the form of a name, not Latin: "Flor amarilla" has the form. What rules can tell is told in
``latin_words``; here is what only a list can: words of Spanish, English and their neighbours that are neither a
genus nor an epithet of any plant, so that a phrase that holds one is no name. No word here may be a real one: ``rosa``,
``malva`` or ``iris`` are genera, ``major``, ``florida`` or ``communis`` epithets.
"""

from __future__ import annotations

_FUNCTION_WORDS = """
a aber al algo algun alguna alguno als am amb ambas ambos an and ante any ao aos aqui are as at au auf aus aux avec be
bei by cada ce ces cette che ci com como con contra cual cuando da dalla dans das de degli dei del della delle dels
dem den der des desde di die do donde dos du e each ein eine einer el ela ele ella elle ellos els em en entre era es
esa ese eso essa esse esta estan este esto et for from fue fur gli ha han has hasta have hay her his how if il ils in
into is isso ist it its la las le les leur like lo los ma mais many mi mis mit molt mucha muchas mucho muchos muy my
na nada nao nas ne near nel ni nicht no non none nos not nous o oder of off ohne on or other otra otras otro otros ou
our over par para pas pel pela pelo per pero piu poco por pour pues que qui quien sans se see sem sense senza ser ses
seu several si sin sobre solo some son sono su sua sul sur sus tal tan te than that the their them then there these
they this those tiene to todo too uma umas un una unas und under une unlike uno unos uns upon varias varios vers very
von was we were what when which who wie with without y ya yo you your zu zum zur
"""
_ABOUT_NAMES = """
aggregate anonima anonimo archivo auct blank cierta clasificada clasificado clasificar classified comentario comment
complex confirmada confirmado confirmar confirmed cosa cosas cultivar cultivares cultivars data dato datos desconeguda
desconegut desconhecida desconhecido desconocida desconocidas desconocido desconocidos determinada determinado
determinar determinate dudosa dudoso ejemplar ejemplares ejemplo empty espece especes especie especies example falta
familia familias families family file formas foto fotografia fotos genera genero generos genre genus group grupo
hibrida hibrido hibridos hort hybrid hybride hybrids identificacion identificada identificadas identificado
identificar identification identified identify image imagen imagenes images img incierta inconnu inconnue inconnues
inconnus incertae indet indeterminada indeterminadas indeterminado indeterminate individuo item maybe missing muestra
muestras name named nameless names nan nom nombre nomen nombres nome none notas note notes nula null nulo observacion
observaciones observation otra pendiente pending perhaps photo photograph photos picture pictures posible posiblemente
possible possibly probable probablemente probably prueba pruebas quiza quizas record registro revisada revisar sample
sconosciuta sconosciuto spec specie species specimen specimens spp stuff subespecie subspecies taxa taxon tba tbd test
testing thing things tipo tipos title titulo todo type unbekannt unbekannte unbekannter uncertain unclassified unclear
undefined undetermined unidentifiable unidentified unknown unsure untitled vacia vacio variedad variedades varietat
varieties variety
"""
_PLANTS_AND_PARTS = """
alberi albero alga algas arbol arboles arbolito arbre arbres arbuste arbustillo arbusto arbustos arvore arvores bark
baum baya bayas berries berry bloom blooms blossom blossoms blume blumen bosque bosques branch branches brote brotes
bud buds bulb bulbo bulbos bulbs bush bushes cactaceas campo campos capullo capullos cesped climber cone cones corteza
cosecha creeper crop crops cultivo cultivos enredadera enredaderas erba erbe erva ervas espina espinas felce fern
ferns feuille feuilles field fields fiore fiori fleur fleurs flor florecilla florecita flores flower flowering flowers
foglia foglie folha folhas forest forests fougere fruit fruits fruta frutas fruto frutos frutto fungus garden gardens
grama grass grasses hedge helecho helechos herb herbe herbes herbs hierba hierbajo hierbas hoja hojas hongo hongos
huerta huerto invernadero jardin jardines jungla kraut lawn leaf leaves lianas lichen liquen liquenes maceta macetas
mata matas matojo matorral meadow monte moss mosses musgo musgos mushroom mushrooms orchid orchids orquidea orquideas
palm palmera palmeras palmier palms park parque petal petalo petalos petals pflanze pflanzen pianta piante pina pinas
plant planta plantas plante plantes plantita plants plantula pot pots pradera prado prados raices raiz rama ramas ramo
ramos root roots seed seeds selva semilla semillas seta setas seto setos shrub shrubs sprout stem stems succulent
succulents suculenta suculentas tallo tallos thorn thorns tree trees trepadora trepadoras tronco troncos trunk
tuberculo vegetable vegetables vegetacion vegetal vegetales vine vines weed weeds yerba yerbas
"""
_SPANISH_PLANTS = """
abedul abeto abetos abrojo acebo acebuche acebuches acedera acederilla acelga achicoria achicorias achira achiras
adelfa adelfilla adormidera aguilena ajedrea ajenjo ajo ajos alamo alamos albahaca albaricoque albaricoquero alcachofa
alcaparra alcornoque alcornoques alerce alfalfa alfilerillo algarroba algarrobo algodon alheli alhelies aliaga
aligustre aliso almendra almendro almendros almorta altea altramuces altramuz amapola amapolas amaranto anemona anis
apio arandano arce arces aromo arroz artemisa arveja aulaga avellana avellano azafran azahar azucena azucenas bambu
bardana batata begonias bellota berenjena berro berza biznaga boj borraja brecina brecinas brecol brezo brezos
bugambilia buganvilla buglosa cacahuete calabacin calabaza calendulas camelia camelias camomila campanilla campanillas
campanita canaheja capuchina caqui caracola cardencha cardillo cardo cardos carqueja carrasca carrasco castana castano
castanuela cebada cebadilla cebolla cebollana cebolleta cebollino cedro cedros celidonia centeno cerezo cerezos
cerraja chopo chopos chumbera cilantro cinamomo cinoglosa cipres cipreses ciruela ciruelo clavel claveles clavelina
clavellina coliflor colleja comino consuelda corazoncillo correhuela coscoja crisantemo crisantemos dalia dalias
dedalera dragoncillo encina encinas endibia endrino enebro enebros escabiosa escaramujo escarola escoba escobilla
escobon escrofularia espadana espantalobos esparrago esparraguera espejuelo espiguilla espinaca espinacas espino
esplego espliego esteva estramonio estrella estrellas eucalipto eucaliptos euforbia farigola flora frambuesa frambueso
francesilla fresa fresal fresas fresno fresnos frijol gamon gamones garbanzo gardenias gatuna gayuba genciana geranio
geranios giesta ginesta ginestra girasol girasoles gladiolo gordolobo gramas granada granado grosella guaranguay
guindilla guindo guisante haba habas hayas hiedra hierbabuena hierbaluisa higo higos higuera higueras hiniesta
hiniestas hinojo hortensias jacinto jara jaras jarilla jazmin jengibre judia junco juncos junquillo lampazo laurel
laureles lavanda lavandas lechetrezna lechuga lengua lenteja lentejas lentisco lilo limon limonero limoneros lino
lirio lirios llanten lombarda lupino lupulo madreselva madrono magnolio maiz malvarrosa malvas malvavisco mandarina
mandarino mandragoras manzana manzanilla manzano manzanos margarita margaritas margaritina marrubio mastranzo
mastuerzo mejorana melera melisas melocoton melocotonero membrillo menta mentas mielga mimbrera mirto moral morera
moreras mostaza muerdago murta nabo naranja naranjo naranjos narciso narcisos nenufar nenufares nispero nogal nogales
nomeolvides nopal nopales nueza olivar olivilla olivo olivos olmo olmos onagra oregano ortiga ortigas palmilla palmito
papa papas parra parras pasionaria patata patatas pensamiento pensamientos peonia peonias pepino peral perejil
petunias pimiento pimpinela pinar pino pinos piorno piornos pita pitas platanero platano platanos poleo pomelo potos
primavera puerro quejigo quejigos rabanillo rabano ranunculo regaliz remolacha repollo retamas roble robles romaza
romero romeros rompepiedras rosal rosales rosas rosella rosita rucula ruda rusco sabinas salvias sandia sanguisorbas
santolinas sarmiento sauce sauces sauco serbal siempreviva siemprevivas tabaco tagarnina tamarindo tamujo taray te
tejo tejos tila tilas tilo tilos tipa tojo tomate tomatera tomates tomillo tomillos torvisco trebol treboles trigo
trigos tulipan tulipanes tusca tuya tuyas una unas urze uva uvas vainilla verdolaga veronicas viborera vid vides
vinagrera violeta violetas yedra yerbabuena yuca zanahoria zarza zarzamora zarzaparrilla zarzas zulla
"""
_OTHER_PLANTS = """
alder alecrim almond alzina apple apples apricot ash aspen bamboo banana barley basil bean beans beech beet bindweed
birch blackberry blackthorn bleuet bluebell bluebells bramble broccoli broom bruyere buckeye buckthorn buttercup
buttercups cabbage campion carnation carrot carvalho catclaw cedar celandine celery chardon chene cherry chestnut
chickweed clover cocklebur columbine coneflower consoude coquelicot corn cornflower cotton cottonwood cowslip cress
cucumber currant cypress daffodil daffodils daisies daisy dandelion dandelions dock dogwood elder elderberry elm
erable eucalypt faggio fennel fescue fig figs fir firs flax flytrap foxglove garlic gelsomino gentian ginger girasole
goldenrod gooseberry gorse grape grapes guimauve hawthorn hazel heath heather hellebore hemlock hemp henbane hickory
holly hollyhock honeysuckle hop hops hyacinth ivy jasmine juniper knapweed knotweed larch larkspur laurels lavande
lavender lemon lettuce lierre lilac lilies lily lime linden locust loosestrife lupin lupine madrone mallow mallows
mangrove maple maples margherita marguerite marigold marigolds marjoram menthe mesquite mint mistletoe morning mugwort
mulberry mullein mustard nettle nettles nightshade oak oaks oat oats olive oliveira olives onion orange oranges
oregano ortie pansies pansy papavero papoula parsley pea peach pear peas pecan pepper periwinkle pervenche petit
petite pine pineapple pines pinheiro pissenlit plantain plum poplar poppies poppy potato primrose pumpkin quercia
quince radish ragwort raspberry reed renoncule rhubarb rice rose rosella rosemary roses rosmarino roure rovere rowan
rush rushes rye sage sapin sauge saxifrages sedge sedges snapdragon snowdrop sobreiro sorrel spearmint speedwell
spinach spruce spruces spurge squash stonecrop strawberry sugarcane sumac sunflower sunflowers sycamore tansy thistle
thistles thyme tobacco tomato tournesol trefoil tulip tulips vetch vetches violets violette wallflower walnut
watercress waterlily watermelon wheat willow willows windflower woodbine wormwood yarrow yew
"""
_DESCRIPTIONS = """
acuatica acuatico african africano agria agrio agua albar alpine altas alto altos amarela amarelas amarelo amarga
amargo amargosa amarilla amarillas amarillo amarillos american americano anaranjada anaranjado ancha ancho aromatic
aromatico asian australian autumn azul azulada azulado azules azzurra azzurro baja bajo ball barba barbas bastarda
bastardo bear bearded beautiful bee beige bell bianca bianche bianco big bird bishop bitter black bladder blanca
blancas blanche blanches blanco blancos blanquecina blau blaue blava bleu bleue bleues blue bluish bonita bonitas
bonito bord branca brancas branco brava bravas bravia bravio bravo brazilian bright brown buena buenas bueno buenos
burra burro caballo cabello cabeza californian campana campestres canadian carnivorous casa casera castellano cat
chico chilena chileno chinese chino christmas cimarron cimarrona cinco claro climbing coastal cobriza cobrizo
colas colorada colorado colored colorful coloured comestible common commons commun comun comunes copa copas cornuda
corona coronas corta corto costa cow creeping crimson criolla criollo crow cuatro cuerno cuernos culebra cultivada
cultivado cultivated cup dark dead delgada desert diablo diente dientes dog domestico dorada dorado dos dragon dried
dry dulces dutch dwarf early eastern edible enana enano english enorme espada espanol espanola espinosa espinoso
espontanea estrecha european europeo evergreen exotico eye falsa false falso farol farolillo fea federal feo fina fino
fire five flecha foot four fragrant frances francesa french fresca fresco fresh fuerte gata gato gelb gelbe german
gialla gialle giallo giant gigante goat golden gorda gordo gran grandes gray great greater greek green greenish grey
gris grises groc groga grueso grun hairy hand hardy hat heart hedionda hembra hermosa hermoso home honey horse house
huge indian ingles inglesa invasive invasora irish isla italian italiano japanese japones japonesa jaune jaunes joven
jovenes king lady lake lanuda lanza larga large largo late lavenders lenten lesser light lila lilas lindo little lobo
loca loco long luna macho machos madre magenta mammola mano manos mansa mar maroon marron marrones mauve mayor mayores
mediano medicinal medicinales menor menores menuda mexican mexicano mojada mojado montes montesa moon morada moradas
morado morados morisca morisco mountain muerta muerto naranjas narrow nativa native nativo negra negral negras negro
negros new noir noire northern nueva nuevo oficinal oficinales ojo ojos old olorosa olorosas one ordinary oreja orejas
ornamental ornamentales oscura oscuro oveja padre pajaro pajiza pale palma palmas paraguayo pastor pata patas pegajosa
pelo pelos peluda pequena pequenas pequeno pequenos perra perro persian peruana peruano peruvian picante pie piedra
pies pinchosa pink pinkish plateada plateado playa poisonous preciosa precioso preta preto pretty prickly primera
primero prince pringosa pure purple queen rastrera rastreras real reales red reddish redonda reina rey rica rio river
road rock rocky roja rojas rojiza rojizo rojo rojos romano rosada rosado roser rossa rosse rosso rot rote rouge rouges
roxa roxo russian salvaje salvajes salvatge santa santo santos sapo sauvage sauvages scarlet scotch scottish sea seca
secas seco secos segunda segundo selvatica selvatiche selvatico sharp short sierra silver silvestres small smooth
snake soft sol sour southern spanish spiny spotted spring star sticky stinging stone striped sugar summer sun swamp
sweet tail tall tan tercera thorny three tierna tierra tiger tiny toad tongue tooth toxic toxico tres tropical
tropicales true turkish two ultimo una uno velluda venenoso venus verda verde verdes vermelha vermelho vermell
vermella vert verte vieja viejo villa violaceo violet virgen viva vulgares water weiss weisse western wet white
whitish wide wild winter woody woolly yellow yellowish young
"""
# of genera and epithets only: behind a name they may be people
_FURTHER_WORDS = """
absinthe africain ahorn aigremoine alfabrega ancolie antigua armoise arroche barata bardane belladone blanc blancs blu
bois bola bonitinha borda borrera borrosa boscana callune camomille campanule cebra centro cercana chinesa ciste
clasica comune digitale doble echte echter ecologica efeu enferma enzian estepa extra favorita fraise fuente gelber
gelbes gemeine gemeiner gemeines genziana glicinia grosse grosser grosses gui hola joubarbe kiefer klee kleine kleiner
kleines lamier lejana limonera linaire liseron lliri macro malve marchita matricaire maxi melisa mesa mini miniatura
mixta moderna montagnard mosqueta mundo mariposa narzisse nelke otonal pappel persona pomera pourpre raiponce ronce
roter rotes salbei sana saule saules scabieuse schwarze schwarzer schwarzes simple sombra super tabla tamaris tanaisie
thymian toiles ultima veraniega vierge vigne viorne wilde wilder wildes
"""

ORDINARY_WORDS = frozenset(
    " ".join(
        (
            *(_FUNCTION_WORDS, _ABOUT_NAMES, _PLANTS_AND_PARTS, _SPANISH_PLANTS, _OTHER_PLANTS, _DESCRIPTIONS),
            _FURTHER_WORDS,
        )
    ).split()
)
# what people note behind a name, where authors stand, and nobody is called: doubts, parts, ages, habits. No author's
# abbreviation is here (Ser., With., Sol., Herb.)
_NOTED = """
adult adulta adultas adulto adultos albino algas anonymous arbol arboles arbolito arbusto arbustos aromatica aromatico
arrastrado arrastrante arvore arvores bark basal bayas berries blooming blooms blossom blossoms brote brotes bud buds
bulbs captive capullo capullos cautivo clon clone closeup corteza creciendo cultivada cultivadas cultivado cultivados
cultivated cut dead desconocido detail detalle domestica dried dry dying enferma enfermo enredadera erect erecta
escaped espontanea esteril exotica exotico female feral fleurs flor floracion florecida florecido floreciendo
floriferous flowering flowers foglie folha folhas foliage follaje fructificando fruit fruiting fruits fruta frutal
frutas fruto frutos gallas galls garden-grown germinando germinating grown habit habitat habito hembra herbaceous
herbario herbarium hierba hierbas hoja hojas hybridized immature inflorescence inflorescencia injertada injerto
inmadura inmaduro invasive invasor invasora invernadero jardineria joven jovenes juvenil juvenile juveniles leaf
leaves lianas maceta macetas madura male mature mixed morfotipo morph morphotype muerta muerto mutant mutante nativa
native naturalizada naturalizado naturalized notho nothosp nothospecies nothosubsp nothovar nueva ornamental
ornamentales otras otros parts petal petalo petalos petals pflanze pflanzen pianta piante planta plantas plantes
plantita plants plantula plantulas podada raices raiz rampant rampante rastrera rastrero rebrote recolectada roots
sapling saplings scanned seca seedling seedlings seeds sembrada semilla semillas sheet shoot shoots shrub shrubs
sprout sprouting sprouts sterile succulent suculenta tallo tallos tree trees trepador trepadora trepadoras tronco
unripe variegada variegado variegated verificada verificado verified vivero whole withered yema yemas
"""
# parts of plants and what is said of them in German, French, Catalan, Portuguese, Italian and English: where authors
# stand they are notes
_NOTED_BY_OTHERS = """
abete ahorn albero andalucia annual annuale annuals annuelle anther anthers anual anuales apfel arrel arrels automne
autumn autunno azuis barcelona beach bianual bienal biennial biennials birke bisannuelle blatt blatter blauer bleus blu
bluhend bluhende bluht blute bluten boden bonsai bouleau bourgeon bourgeons braune brennnessel buche bulbil bulbils
caliz calyx camino canopy castagno castanheiro cataluna catalunya catkin catkins caule cespuglio champ champs choupo
close coltivata coltivato comestivel commestibile commune communs comu comum comuna comune comuni comuns conreada
conreat corola corolla corteccia cotiledon cotiledones cotyledon cotyledons crown cultivada cultive cultivee cutting
cuttings deutschland ecorce edera eiche einjahrig enves erle esche escorca espana essbar estate estiu etamine ete europe
faig fichte fiorita fiorito fioritura fiume fleuri fleurie floresta florit france francia freixe freixo frene frucht
fruchte fruhjahr fruhling fruits frutta fulla fulles fusto galho galicia gall garten gelber gemein gemeine gemeiner
gemme germany gewohnlich giardino giftig giftige giftpflanze giglio graine graines greenhouse grune gruner habitus haie
hecke hedgerow heilpflanze herbst hetre hiver hivern inverno invierno italia italy jaunatre keimling kiefer kirsche klee
knospe knospen lilie llavor llavors lowenzahn macro madrid medicinais medicinale medizinisch montagna montagne montana
muda muguet muntanya nadel nadeln nectar needle needles nelke night orme ortica otonal otono outono papoila paquerette
perenne perennes perennial perennials petale petales peuplier plage platja pod pods polen pollancre pollen portugal
praia prairie pre printemps quercia racine racines radice radici raizes rameau rameaux resin rinde riu riviere roadside
roseta rosetas rosetta rosette rosso rote roter roxa runner runners salgueiro salvatges salze samen sap saule savia
selvagem selvagens seme semente sementes semi sepal sepals side sommer sousbois spain spiaggia spines stamen stamens
stamm stangel stengel stigma strauch sucker suckers tanne tardor tendril tendrils thicket tige tiges tija tilleul top
topf tossica tossico toxica toxico toxique trefle trevo trevol trieb triebe trifoglio tronc tulpe twig twigs ufer ulivo
ulme underside urtiga veilchen velenosa venenosa venenoso verano verao verinosa view violett vivace weide weisser wiese
wiesen wilde wilder wildes wildflower wildflowers wildpflanze winter woodland wurzel wurzeln zarcillo zarcillos zweig
zweige zwiebel
"""
# words of plants and their looks that are surnames too: alone behind a name they are somebody (Richard Spruce, Joseph
# Rock, Robert Sweet). Others ("Wild", "Flower", "Higuera") are so only with initials or beside somebody
_SURNAMES = """
alamo arce ash ball baum bean bell berry birch bird bishop black blanco blume bonito branch bravo bright brown bueno
bush campo campos carrasco carvalho castano cerezo chico clover corona costa cotton crow dorado early elder english
espino espinosa field fields fiori flores foglia foot forest french fresno garden granado grandes gray great green hand
hardy heath house jara king lake laurel linden little lobo long luna manzano mata mayor monte montes moon moral moss
mountain naranjo nogales oliveira olivo olmo olmos palma park parra pastor pepper peral petit pina pinheiro pino plante
prado prince ramo ramos reed rey rice rio river robles rock rojas romano romero rosales rosas rose rowan ruda rush sage
santos seco serbal short sierra small spring spruce star stone summer sun sweet thorn trigo true verde villa vine vines
weiss wheat white winter young
"""
# what of the lists above is a surname as well
_ALSO_AUTHORS = """
blank che chi dalla das della hai han hay her how mai mas mis nel record sample sans sin son sua sur tan wie you
"""
NO_AUTHORS = frozenset(f"{_ABOUT_NAMES} {_NOTED}".split()) - frozenset(_ALSO_AUTHORS.split())
# notes unless something says that they are people; and those of them who are people as they stand
MAYBE_NOTES = (
    frozenset(" ".join((_PLANTS_AND_PARTS, _SPANISH_PLANTS, _OTHER_PLANTS, _DESCRIPTIONS, _NOTED_BY_OTHERS)).split())
    - NO_AUTHORS
    - frozenset(_ALSO_AUTHORS.split())
)
SURNAMES = frozenset(_SURNAMES.split())
SMALL_WORDS = frozenset(word for word in _FUNCTION_WORDS.split() if len(word) > 2) - frozenset(_ALSO_AUTHORS.split())
# genera and first names, which after another word are a colour or a kind
NOT_AN_EPITHET = frozenset({"cactus", "cola", "maria", "mora", "rosa", "rosas"})
_PLACES = """
alabama alaska america arizona asia carolina cuba dakota europa florida georgia iowa jamaica java louisiana nevada
oklahoma texas virginia
"""
NOT_A_GENUS = frozenset(_PLACES.split())
REAL_AFTER = {"limon": "Citrus"}  # an epithet of this genus, an ordinary word of any other
